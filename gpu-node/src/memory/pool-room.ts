// Owns how pages of the pool come free under pressure: one evictor for all that is kept for later, KV blocks and adapters
// alike, by cost to bring back, likelihood of reuse and bytes. What an object is, and the freeing of its pages, is its
// keeper's. Invariant: what somebody uses is never evicted, so running requests and their adapters stay.
import { CACHE_CAP_PERCENT, CACHE_FLOOR_PERCENT } from "../limits.ts";
import { Evictor, type Evictable } from "./eviction.ts";
import type { PagePool } from "./page-pool.ts";

/** An object whose pages the pool keeps for later. */
export interface Kept extends Evictable {
  /** Gives its pages back: the evictor chose it, and has forgotten it. */
  evicted(): void;
}

export class PoolRoom {
  readonly evictor: Evictor<Kept>;
  readonly #pool: PagePool;

  constructor(pool: PagePool, pageBytes: number) {
    const poolBytes = pool.pageCount * pageBytes;
    this.#pool = pool;
    this.evictor = new Evictor({
      poolBytes,
      floorBytes: (poolBytes * CACHE_FLOOR_PERCENT) / 100,
      capBytes: (poolBytes * CACHE_CAP_PERCENT) / 100,
    });
  }

  /** Pages that can be had: free, about to be free, or kept for nobody in particular. */
  get pagesWithin(): number {
    const { freeCount, quarantinedCount, idleCachedCount } = this.#pool;
    return freeCount + quarantinedCount + idleCachedCount;
  }

  /** Evicts until `pageCount` pages are free; false when they are not, or only once steps in flight are settled. */
  makeRoom(pageCount: number): boolean {
    const pool = this.#pool;
    while (pool.freeCount + pool.quarantinedCount < pageCount) {
      const victim = this.evictor.takeVictim();
      if (victim === undefined) return false;
      victim.evicted();
    }
    return pool.freeCount >= pageCount;
  }

  /** Evicts all that nobody uses. */
  flush(): void {
    for (;;) {
      const victim = this.evictor.takeVictim();
      if (victim === undefined) return;
      victim.evicted();
    }
  }
}
