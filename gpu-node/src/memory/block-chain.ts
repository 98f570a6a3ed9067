// Owns the keys of a request's blocks, prompt and output: [DESIGN 3.7] a chain of SHA-256 over domain-separated,
// length-prefixed fields, so that a block's key names everything its K and V depend on. It knows no pages. Invariants:
// keys are computed once, of the prompt only as far as asked; contexts of two tenants never share a key.
import { assert, frameFields } from "@fairlane/base";

/** SHA-256 of bytes, as text; synchronous, since admission looks up and pins in one piece. */
export type Sha256 = (bytes: Uint8Array) => string;

/** What the K and V of a token depend on besides the tokens before it. Contents, never names. */
export interface CacheIdentity {
  readonly modelDigest: string;
  /** Content digest of the adapter; null without one. */
  readonly adapterDigest: string | null;
  /** EngineInfo.numericsClass. */
  readonly numericsClass: string;
  readonly ropeConfig: string;
  /** How positions are attended: "causal" for plain prompts. */
  readonly mode: string;
}

/** The key that all chains of a tenant under an identity begin with. */
export function chainRoot(tenantSalt: string, identity: CacheIdentity, sha256: Sha256): string {
  const { modelDigest, adapterDigest, numericsClass, ropeConfig, mode } = identity;
  // No adapter is one field, an adapter two: no digest can look like none.
  const adapter = adapterDigest === null ? ["none"] : ["adapter", adapterDigest];
  const fields = [tenantSalt, modelDigest, numericsClass, ropeConfig, mode, ...adapter];
  return sha256(frameFields("fairlane-kv-root-v1", fields));
}

export class BlockChain {
  readonly root: string;
  /** Whose the blocks are: the tenant's root without any adapter. */
  readonly owner: string;
  readonly #tokens: Int32Array;
  readonly #blockTokens: number;
  readonly #sha256: Sha256;
  readonly #promptBlocks: number;
  /** Shared by all forks. */
  readonly #promptKeys: string[];
  /** Of the blocks behind the prompt's full ones. */
  readonly #outputKeys: string[] = [];
  /** The last, part-filled block of prompt and appended tokens; made by the first append. */
  #tail: Int32Array | undefined;
  #tokenCount: number;

  constructor(options: {
    readonly root: string;
    /** The root when absent. */
    readonly owner?: string;
    readonly tokens: Int32Array;
    readonly blockTokens: number;
    readonly sha256: Sha256;
    /** Of a fork: those of the same prompt. */
    readonly promptKeys?: string[];
  }) {
    this.root = options.root;
    this.owner = options.owner ?? options.root;
    this.#tokens = options.tokens;
    this.#blockTokens = options.blockTokens;
    this.#sha256 = options.sha256;
    this.#tokenCount = options.tokens.length;
    this.#promptBlocks = Math.floor(options.tokens.length / options.blockTokens);
    this.#promptKeys = options.promptKeys ?? [];
  }

  /** The chain of another answer to the same prompt, whose keys are computed once for both. */
  fork(): BlockChain {
    return new BlockChain({
      root: this.root,
      owner: this.owner,
      tokens: this.#tokens,
      blockTokens: this.#blockTokens,
      sha256: this.#sha256,
      promptKeys: this.#promptKeys,
    });
  }

  /** Tokens of the prompt and those appended. */
  get tokenCount(): number {
    return this.#tokenCount;
  }

  /** Adds an output token behind what is there. Allocates once per block at most. */
  append(token: number): void {
    const tail = (this.#tail ??= this.#promptTail());
    tail[this.#tokenCount % this.#blockTokens] = token;
    this.#tokenCount += 1;
    if (this.#tokenCount % this.#blockTokens !== 0) return;
    const parent = this.#outputKeys.at(-1) ?? this.#promptKeys.at(-1) ?? this.root;
    this.#outputKeys.push(this.#keyUnder(parent, tail));
  }

  /** Key of block `index`, which must be full. */
  keyOf(index: number): string {
    if (index < this.#promptBlocks) this.#needPromptKeys(index + 1);
    const key = this.#promptKeys[index] ?? this.#outputKeys[index - this.#promptBlocks];
    assert(key !== undefined, `block ${index} has no key`);
    return key;
  }

  /** What of the prompt fills no block, as the beginning of a block; all before it has its keys from then on. */
  #promptTail(): Int32Array {
    this.#needPromptKeys(this.#promptBlocks);
    const tail = new Int32Array(this.#blockTokens);
    tail.set(this.#tokens.subarray(this.#promptBlocks * this.#blockTokens));
    return tail;
  }

  #needPromptKeys(count: number): void {
    for (let index = this.#promptKeys.length; index < count; index++) {
      const first = index * this.#blockTokens;
      const tokens = this.#tokens.subarray(first, first + this.#blockTokens);
      this.#promptKeys.push(this.#keyUnder(this.#promptKeys.at(-1) ?? this.root, tokens));
    }
  }

  #keyUnder(parent: string, tokens: Int32Array): string {
    assert(tokens.length === this.#blockTokens, `a block has ${tokens.length} tokens`);
    const bytes = new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength);
    return this.#sha256(frameFields("fairlane-kv-block-v1", [parent, bytes]));
  }
}
