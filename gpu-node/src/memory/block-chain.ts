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
  /** The tenant's root: whose the blocks are. */
  readonly root: string;
  readonly #tokens: Int32Array;
  readonly #blockTokens: number;
  readonly #sha256: Sha256;
  readonly #keys: string[] = [];
  /** The last, part-filled block of prompt and appended tokens; made by the first append. */
  #tail: Int32Array | undefined;
  #tokenCount: number;

  constructor(options: {
    readonly root: string;
    readonly tokens: Int32Array;
    readonly blockTokens: number;
    readonly sha256: Sha256;
  }) {
    this.root = options.root;
    this.#tokens = options.tokens;
    this.#blockTokens = options.blockTokens;
    this.#sha256 = options.sha256;
    this.#tokenCount = options.tokens.length;
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
    if (this.#tokenCount % this.#blockTokens === 0) this.#pushKey(tail);
  }

  /** Key of block `index`, which must be full. */
  keyOf(index: number): string {
    while (this.#keys.length <= index) this.#pushPromptKey();
    const key = this.#keys[index];
    assert(key !== undefined, `block ${index} has no key`);
    return key;
  }

  /** What of the prompt fills no block, as the beginning of a block; all before it has its keys from then on. */
  #promptTail(): Int32Array {
    const fullBlocks = Math.floor(this.#tokens.length / this.#blockTokens);
    while (this.#keys.length < fullBlocks) this.#pushPromptKey();
    const tail = new Int32Array(this.#blockTokens);
    tail.set(this.#tokens.subarray(fullBlocks * this.#blockTokens));
    return tail;
  }

  #pushPromptKey(): void {
    const index = this.#keys.length;
    const first = index * this.#blockTokens;
    const tokens = this.#tokens.subarray(first, first + this.#blockTokens);
    assert(tokens.length === this.#blockTokens, `block ${index} has ${tokens.length} tokens`);
    this.#pushKey(tokens);
  }

  /** Appends the key of the block that follows those with a key. */
  #pushKey(tokens: Int32Array): void {
    const bytes = new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength);
    const parent = this.#keys.at(-1) ?? this.root;
    this.#keys.push(this.#sha256(frameFields("fairlane-kv-block-v1", [parent, bytes])));
  }
}
