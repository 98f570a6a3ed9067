// Owns which full blocks of prompts and outputs lie in which pages, by the key of their chain, and keeps them for later prompts
// until the evictor wants their pages. When to look up and publish is the scheduler's. Invariants: a block is
// published after the step that wrote it was settled; a kept block's parent is kept, since children are evicted
// first; what is found is pinned before anything else can happen.
import { assert } from "@fairlane/base";
import { CACHE_CAP_PERCENT, CACHE_FLOOR_PERCENT, CACHE_ROOTS_MAX } from "../limits.ts";
import { BlockChain, chainRoot, type CacheIdentity, type Sha256 } from "./block-chain.ts";
import type { BlockTable } from "./block-table.ts";
import { Evictor, type Evictable, type EvictionEntry } from "./eviction.ts";
import type { CachedPageWatcher, PagePool } from "./page-pool.ts";

export interface PrefixIndexOptions {
  readonly pool: PagePool;
  readonly pageTokens: number;
  readonly pageBytes: number;
  readonly identity: CacheIdentity;
  readonly sha256: Sha256;
  /** Predicted time to compute the block that begins at a position. */
  readonly blockCostMs: (firstPosition: number) => number;
}

interface Block extends Evictable {
  readonly page: number;
  readonly parent: KeptBlock | null;
  childCount: number;
}

/** A block that is kept; opaque to others. */
export type KeptBlock = EvictionEntry<Block>;

export class PrefixIndex implements CachedPageWatcher {
  readonly #options: PrefixIndexOptions;
  readonly #byKey = new Map<string, KeptBlock>();
  readonly #byPage: (KeptBlock | undefined)[];
  readonly #evictor: Evictor<Block>;
  readonly #roots = new Map<string, string>();
  #evictedCount = 0;

  constructor(options: PrefixIndexOptions) {
    this.#options = options;
    const { pool, pageBytes } = options;
    this.#byPage = Array.from({ length: pool.pageCount }, () => undefined);
    const poolBytes = pool.pageCount * pageBytes;
    this.#evictor = new Evictor({
      poolBytes,
      floorBytes: (poolBytes * CACHE_FLOOR_PERCENT) / 100,
      capBytes: (poolBytes * CACHE_CAP_PERCENT) / 100,
    });
    pool.watchCached(this);
  }

  get blockCount(): number {
    return this.#byKey.size;
  }

  /** Blocks evicted since the start. */
  get evictedCount(): number {
    return this.#evictedCount;
  }

  /** The pages that the index holds a reference of, in the shape of a block table. */
  get entries(): readonly { readonly page: number }[] {
    return [...this.#byKey.values()].map(({ item }) => item);
  }

  /** The chain of a prompt under its tenant's salt. */
  chainOf(tenantSalt: string, promptTokens: Int32Array): BlockChain {
    const { identity, pageTokens: blockTokens, sha256 } = this.#options;
    let root = this.#roots.get(tenantSalt);
    if (root === undefined) {
      if (this.#roots.size >= CACHE_ROOTS_MAX) this.#roots.clear();
      root = chainRoot(tenantSalt, identity, sha256);
      this.#roots.set(tenantSalt, root);
    }
    return new BlockChain({ root, tokens: promptTokens, blockTokens, sha256 });
  }

  /** The kept blocks from the chain's begin on, at most `blocksMax`. Changes nothing: pin them with `attach`. */
  match(chain: BlockChain, blocksMax: number): KeptBlock[] {
    const blocks: KeptBlock[] = [];
    while (blocks.length < blocksMax) {
      const block = this.#byKey.get(chain.keyOf(blocks.length));
      if (block === undefined) break;
      blocks.push(block);
    }
    return blocks;
  }

  /** Pages that can be had if `pinned` stay: free, about to be free, or kept for nobody in particular. */
  pagesWithin(pinned: readonly KeptBlock[]): number {
    const { pool } = this.#options;
    const idle = pinned.filter(({ item }) => pool.isIdleCached(item.page)).length;
    return pool.freeCount + pool.quarantinedCount + pool.idleCachedCount - idle;
  }

  /** Pins matched blocks: appends their pages to an empty table. */
  attach(blocks: readonly KeptBlock[], table: BlockTable): void {
    assert(table.entries.length === 0, "kept blocks come first in a table");
    for (const { item } of blocks) table.attach(this.#options.pool, item.page);
  }

  /** Notes that a request was admitted with these blocks, which it has pinned. */
  noteUse(blocks: readonly KeptBlock[]): void {
    for (const block of blocks) this.#evictor.noteUse(block);
  }

  /**
   * Keeps the first `blockCount` blocks of a context, which lie in the table's pages and have been computed. A block
   * that is kept already stays where it is: of identical prompts computed at once, the first one's is kept.
   */
  publish(chain: BlockChain, table: BlockTable, blockCount: number): void {
    let first = blockCount;
    while (first > 0 && !this.#byKey.has(chain.keyOf(first - 1))) first -= 1;
    let parent = first === 0 ? null : this.#byKey.get(chain.keyOf(first - 1));
    for (let index = first; index < blockCount; index++) {
      const entry = table.groups[0]?.entryOf(index);
      assert(entry !== undefined && parent !== undefined, `block ${index} has no page or parent`);
      parent = this.#keep(chain, parent, { index, page: entry.page });
    }
    if (first < blockCount) this.#trim(chain.root);
  }

  /** Evicts until `pageCount` pages are free; false when they are not, or only once steps in flight are settled. */
  makeRoom(pageCount: number): boolean {
    const { pool } = this.#options;
    while (pool.freeCount + pool.quarantinedCount < pageCount) {
      const victim = this.#evictor.takeVictim();
      if (victim === undefined) return false;
      this.#forget(victim);
    }
    return pool.freeCount >= pageCount;
  }

  /** Evicts all that nobody uses. */
  flush(): void {
    for (;;) {
      const victim = this.#evictor.takeVictim();
      if (victim === undefined) return;
      this.#forget(victim);
    }
  }

  pageIdle(page: number): void {
    this.#setCandidate(this.#byPage[page]);
  }

  pageInUse(page: number): void {
    const block = this.#byPage[page];
    if (block !== undefined) this.#evictor.setCandidate(block, false);
  }

  #keep(
    chain: BlockChain,
    parent: KeptBlock | null,
    at: { readonly index: number; readonly page: number },
  ): KeptBlock {
    const { pool, pageBytes, pageTokens, blockCostMs } = this.#options;
    const block = this.#evictor.add({
      kind: "kv",
      owner: chain.root,
      bytes: pageBytes,
      costToBringBackMs: blockCostMs(at.index * pageTokens),
      key: chain.keyOf(at.index),
      page: at.page,
      parent,
      childCount: 0,
    });
    if (parent !== null) {
      parent.item.childCount += 1;
      this.#evictor.setCandidate(parent, false);
    }
    this.#byKey.set(block.item.key, block);
    this.#byPage[at.page] = block;
    pool.addToCache(at.page);
    return block;
  }

  /** A tenant above its cap gives its own blocks up, never others'; those in use go when they are not any more. */
  #trim(owner: string): void {
    for (;;) {
      const victim = this.#evictor.takeVictimAboveCap(owner);
      if (victim === undefined) return;
      this.#forget(victim);
    }
  }

  #forget(victim: Block): void {
    this.#evictedCount += 1;
    this.#byKey.delete(victim.key);
    this.#byPage[victim.page] = undefined;
    this.#options.pool.evict(victim.page);
    if (victim.parent === null) return;
    victim.parent.item.childCount -= 1;
    this.#setCandidate(victim.parent);
  }

  #setCandidate(block: KeptBlock | undefined): void {
    if (block === undefined) return;
    const { page, childCount } = block.item;
    const isCandidate = childCount === 0 && this.#options.pool.isIdleCached(page);
    this.#evictor.setCandidate(block, isCandidate);
  }
}
