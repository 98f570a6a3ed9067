// Owns which full blocks of prompts and outputs lie in which pages, by KV group and the key of their chain, and keeps them
// for later prompts until the pool's evictor wants their pages. When to look up and publish is the scheduler's. Invariants: a
// block is published after the step that wrote it was settled; without a window, a kept block's parent is kept, since
// children are evicted first (with one, blocks stand alone); what is found is pinned before anything else can happen.
import { assert } from "@fairlane/base";
import { CACHE_ROOTS_MAX } from "../limits.ts";
import { BlockChain, chainRoot, type CacheIdentity, type Sha256 } from "./block-chain.ts";
import type { BlockTable } from "./block-table.ts";
import type { GroupWindow } from "./group-pages.ts";
import { Block, type KeptBlock } from "./kept-block.ts";
import { longestKeptPrefix, type KeptPrefix } from "./kept-prefix.ts";
import type { CachedPageWatcher, PagePool } from "./page-pool.ts";
import type { PoolRoom } from "./pool-room.ts";

export interface PrefixIndexOptions {
  readonly pool: PagePool;
  readonly room: PoolRoom;
  readonly pageTokens: number;
  readonly pageBytes: number;
  /** One without a window when absent. */
  readonly kvGroups?: readonly GroupWindow[];
  /** What all keys name beside tenant and adapter. */
  readonly identity: Omit<CacheIdentity, "adapterDigest">;
  readonly sha256: Sha256;
  /** Predicted time to compute the block that begins at a position. */
  readonly blockCostMs: (firstPosition: number) => number;
}

/** What is kept of a context's beginning. */
export type CachedPrefix = KeptPrefix<KeptBlock>;

export class PrefixIndex implements CachedPageWatcher {
  readonly #options: PrefixIndexOptions;
  readonly #groups: readonly (GroupWindow & { readonly byKey: Map<string, KeptBlock> })[];
  readonly #byPage: (KeptBlock | undefined)[];
  readonly #roots = new Map<string, string>();
  /** How evicted blocks are forgotten. */
  readonly #keeper = { forget: (block: Block) => this.#forget(block) };
  #evictedCount = 0;

  constructor(options: PrefixIndexOptions) {
    this.#options = options;
    const { pool, kvGroups = [{ windowTokens: null }] } = options;
    this.#groups = kvGroups.map(({ windowTokens }) => ({ windowTokens, byKey: new Map() }));
    this.#byPage = Array.from({ length: pool.pageCount }, () => undefined);
    pool.watchCached(this);
  }

  /** Pages of blocks that are kept, in all groups. */
  get blockCount(): number {
    return this.#groups.reduce((sum, { byKey }) => sum + byKey.size, 0);
  }

  /** Blocks evicted since the start. */
  get evictedCount(): number {
    return this.#evictedCount;
  }

  /** The pages that the index holds a reference of, in the shape of a block table. */
  get entries(): readonly { readonly page: number }[] {
    return this.#groups.flatMap(({ byKey }) => [...byKey.values()].map(({ item }) => item));
  }

  /** The chain of a prompt under its tenant's salt, and under an adapter. */
  chainOf(
    tenantSalt: string,
    promptTokens: Int32Array,
    adapterDigest: string | null = null,
  ): BlockChain {
    const { pageTokens: blockTokens, sha256 } = this.#options;
    const owner = this.#rootOf(tenantSalt, null);
    const root = adapterDigest === null ? owner : this.#rootOf(tenantSalt, adapterDigest);
    return new BlockChain({ root, owner, tokens: promptTokens, blockTokens, sha256 });
  }

  #rootOf(tenantSalt: string, adapterDigest: string | null): string {
    const { identity, sha256 } = this.#options;
    const key = adapterDigest === null ? tenantSalt : `${adapterDigest} ${tenantSalt}`;
    let root = this.#roots.get(key);
    if (root === undefined) {
      if (this.#roots.size >= CACHE_ROOTS_MAX) this.#roots.clear();
      root = chainRoot(tenantSalt, { ...identity, adapterDigest }, sha256);
      this.#roots.set(key, root);
    }
    return root;
  }

  /** What is kept of the chain's beginning, at most `blocksMax` blocks. Changes nothing: pin it with `attach`. */
  match(chain: BlockChain, blocksMax: number): CachedPrefix {
    const groups = this.#groups.map(({ windowTokens, byKey }) => ({
      windowTokens,
      at: (block: number) => byKey.get(chain.keyOf(block)),
    }));
    return longestKeptPrefix(groups, { blocksMax, blockTokens: this.#options.pageTokens });
  }

  /** Of these blocks' pages, those that nobody uses now. */
  idlePagesOf({ blocks }: CachedPrefix): number {
    const { pool } = this.#options;
    return blocks.flat().filter(({ item }) => pool.isIdleCached(item.page)).length;
  }

  /** Pins what was matched: appends its pages to an empty table. */
  attach({ blockCount, blocks }: CachedPrefix, table: BlockTable): void {
    for (const [kvGroup, pages] of table.groups.entries()) {
      const needed = blocks[kvGroup] ?? [];
      pages.beginAt(blockCount - needed.length);
      for (const [index, { item }] of needed.entries()) {
        pages.attach(this.#options.pool, item.page, blockCount - needed.length + index);
      }
    }
  }

  /** Notes that a request was admitted with these blocks, which it has pinned. */
  noteUse({ blocks }: CachedPrefix): void {
    for (const block of blocks.flat()) this.#options.room.evictor.noteUse(block);
  }

  /**
   * Keeps the first `blockCount` blocks of a context, which lie in the table's pages and have been computed. A block
   * that is kept already stays where it is: of identical prompts computed at once, the first one's is kept.
   */
  publish(chain: BlockChain, table: BlockTable, blockCount: number): void {
    let hasKept = false;
    for (const [kvGroup, pages] of table.groups.entries()) {
      const { windowTokens, byKey } = this.#groupAt(kvGroup);
      let first = blockCount;
      // With a window, blocks that were given back are not there to be kept.
      const isMissing = (index: number): boolean =>
        !byKey.has(chain.keyOf(index)) &&
        (windowTokens === null || pages.entryOf(index) !== undefined);
      while (first > 0 && isMissing(first - 1)) first -= 1;
      const isLinked = windowTokens === null && first > 0;
      let parent = isLinked ? byKey.get(chain.keyOf(first - 1)) : null;
      for (let index = first; index < blockCount; index++) {
        const entry = pages.entryOf(index);
        assert(entry !== undefined && parent !== undefined, `block ${index} has no page or parent`);
        const kept = this.#keep(chain, parent, { kvGroup, index, page: entry.page });
        parent = windowTokens === null ? kept : null;
      }
      if (first < blockCount) hasKept = true;
    }
    if (hasKept) this.#trim(chain.owner);
  }

  pageIdle(page: number): void {
    this.#setCandidate(this.#byPage[page]);
  }

  pageInUse(page: number): void {
    const block = this.#byPage[page];
    if (block !== undefined) this.#options.room.evictor.setCandidate(block, false);
  }

  #keep(
    chain: BlockChain,
    parent: KeptBlock | null,
    at: { readonly kvGroup: number; readonly index: number; readonly page: number },
  ): KeptBlock {
    const { pool, room, pageBytes, pageTokens, blockCostMs } = this.#options;
    const { kvGroup, page } = at;
    const chainKey = chain.keyOf(at.index);
    const costToBringBackMs = blockCostMs(at.index * pageTokens);
    const { owner } = chain;
    const fields = { owner, bytes: pageBytes, costToBringBackMs, kvGroup, chainKey, page, parent };
    const block = room.evictor.add(new Block(fields, this.#keeper));
    if (parent !== null) {
      parent.item.childCount += 1;
      room.evictor.setCandidate(parent, false);
    }
    this.#groupAt(kvGroup).byKey.set(chainKey, block);
    this.#byPage[page] = block;
    pool.addToCache(page);
    return block;
  }

  /** A tenant above its cap gives its own blocks up, never others'; those in use go when they are not any more. */
  #trim(owner: string): void {
    const { evictor } = this.#options.room;
    for (;;) {
      const victim = evictor.takeVictimAboveCap(owner);
      if (victim === undefined) return;
      victim.evicted();
    }
  }

  #forget(victim: Block): void {
    this.#evictedCount += 1;
    this.#groupAt(victim.kvGroup).byKey.delete(victim.chainKey);
    this.#byPage[victim.page] = undefined;
    this.#options.pool.evict(victim.page);
    if (victim.parent === null) return;
    victim.parent.item.childCount -= 1;
    this.#setCandidate(victim.parent);
  }

  #groupAt(kvGroup: number) {
    const group = this.#groups[kvGroup];
    assert(group !== undefined, `KV group ${kvGroup} of ${this.#groups.length}`);
    return group;
  }

  #setCandidate(block: KeptBlock | undefined): void {
    if (block === undefined) return;
    const { page, childCount } = block.item;
    const isCandidate = childCount === 0 && this.#options.pool.isIdleCached(page);
    this.#options.room.evictor.setCandidate(block, isCandidate);
  }
}
