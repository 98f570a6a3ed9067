// Owns which pages of the engine's pool are free, in use or quarantined, by whom and how often; the bytes are the
// native core's. All in O(1) on flat arrays. A cached page is one to which the cache holds a reference of its own.
// Invariants: a page is free, used (>= 1 reference) or quarantined (none), never two of them; a page that a step in
// flight may still read is reused only once that step's fence passed.
import { assert } from "@fairlane/base";

/** What a page is used for. Prompt modules join the list with their issue. */
export type PageOwner = "kv" | "adapter";

const FREE = 0;
const QUARANTINED = 1;
const OWNER_CODES: Readonly<Record<PageOwner, number>> = { kv: 2, adapter: 3 };

/** A copy of the pool's books, for pool-integrity.ts. */
export interface PoolSnapshot {
  readonly pageCount: number;
  readonly freePages: readonly number[];
  readonly quarantinedPages: readonly number[];
  readonly usedCount: number;
  readonly referenceCounts: Int32Array;
}

/** Hears when a cached page is used by nobody but the cache any more, and when it is used again. */
export interface CachedPageWatcher {
  pageIdle(page: number): void;
  pageInUse(page: number): void;
}

export class PagePool {
  readonly pageCount: number;
  /** FREE, QUARANTINED or the owner's code. */
  readonly #stateOf: Uint8Array;
  readonly #references: Int32Array;
  /** Stack: the page freed last is the warmest in the caches. */
  readonly #free: Int32Array;
  #freeCount: number;
  /** Ring in the order of release, with the fence that each page waits for; fences never decrease along it. */
  readonly #quarantine: Int32Array;
  readonly #quarantineFence: Float64Array;
  #quarantineHead = 0;
  #quarantineCount = 0;
  readonly #isCached: Uint8Array;
  /** Of a cached page: the last step that may read it. */
  readonly #idleFence: Float64Array;
  #idleCachedCount = 0;
  #watcher: CachedPageWatcher | null = null;
  #usedCount = 0;
  #submittedStepId = 0;
  #completedStepId = 0;

  constructor(pageCount: number) {
    assert(
      Number.isSafeInteger(pageCount) && pageCount >= 1,
      `pageCount must be >= 1: ${pageCount}`,
    );
    this.pageCount = pageCount;
    this.#stateOf = new Uint8Array(pageCount);
    this.#references = new Int32Array(pageCount);
    // Filled downwards, so that a fresh pool hands out page 0 first.
    this.#free = Int32Array.from({ length: pageCount }, (_, index) => pageCount - 1 - index);
    this.#freeCount = pageCount;
    this.#quarantine = new Int32Array(pageCount);
    this.#quarantineFence = new Float64Array(pageCount);
    this.#isCached = new Uint8Array(pageCount);
    this.#idleFence = new Float64Array(pageCount);
  }

  /** Pages that can be allocated now; quarantined ones are not among them. */
  get freeCount(): number {
    return this.#freeCount;
  }

  get quarantinedCount(): number {
    return this.#quarantineCount;
  }

  get usedCount(): number {
    return this.#usedCount;
  }

  /** Cached pages that nobody else refers to: what eviction can free. */
  get idleCachedCount(): number {
    return this.#idleCachedCount;
  }

  /** The last step that was submitted; 0 before the first. */
  get submittedStepId(): number {
    return this.#submittedStepId;
  }

  /** The last step that has completed, with all before it. */
  get completedStepId(): number {
    return this.#completedStepId;
  }

  /** True while a submitted step has not completed. */
  get hasStepInFlight(): boolean {
    return this.#submittedStepId > this.#completedStepId;
  }

  /** Takes a free page with one reference. The caller has checked that one is free. */
  allocate(owner: PageOwner): number {
    assert(this.#freeCount > 0, `no free page of ${this.pageCount}`);
    this.#freeCount -= 1;
    const page = this.#free[this.#freeCount] ?? -1;
    assert(
      this.#stateOf[page] === FREE && this.#references[page] === 0,
      `page ${page} is not free`,
    );
    this.#stateOf[page] = OWNER_CODES[owner];
    this.#references[page] = 1;
    this.#usedCount += 1;
    return page;
  }

  /** Adds a reference to a page in use. */
  retain(page: number): void {
    const references = this.#referencesOfUsed(page) + 1;
    this.#references[page] = references;
    if (references !== 2 || this.#isCached[page] !== 1) return;
    this.#idleCachedCount -= 1;
    this.#watcher?.pageInUse(page);
  }

  /** Drops a reference; the last one frees the page, behind the fence of the steps in flight. */
  release(page: number): void {
    const references = this.#referencesOfUsed(page) - 1;
    this.#references[page] = references;
    if (references > 1) return;
    if (this.#isCached[page] === 1) this.#becomeIdle(page);
    else if (references === 0) this.#pushUnused(page, this.#submittedStepId);
  }

  /** Who hears of cached pages; set once, before the first. */
  watchCached(watcher: CachedPageWatcher): void {
    assert(this.#watcher === null, "cached pages have a watcher already");
    this.#watcher = watcher;
  }

  /** Gives the cache a reference of its own to a page in use. */
  addToCache(page: number): void {
    assert(this.#isCached[page] === 0, `page ${page} is cached already`);
    this.retain(page);
    this.#isCached[page] = 1;
  }

  /** True for a cached page that nobody else refers to. */
  isIdleCached(page: number): boolean {
    return this.#isCached[page] === 1 && this.#references[page] === 1;
  }

  /** Frees a cached page that nobody else refers to; at once when no step in flight can read it. */
  evict(page: number): void {
    const references = this.#referencesOfUsed(page);
    assert(this.#isCached[page] === 1 && references === 1, `page ${page} is evicted in use`);
    this.#isCached[page] = 0;
    this.#idleCachedCount -= 1;
    this.#references[page] = 0;
    this.#pushUnused(page, this.#idleFence[page] ?? 0);
  }

  /** Notes that a step which may read any page in use was submitted. Step ids only grow. */
  stepSubmitted(stepId: number): void {
    assert(stepId > this.#submittedStepId, `step ${stepId} after step ${this.#submittedStepId}`);
    this.#submittedStepId = stepId;
  }

  /** Notes that a step, and every one before it, has completed; frees the pages that waited for it. */
  stepCompleted(stepId: number): void {
    assert(
      stepId > this.#completedStepId && stepId <= this.#submittedStepId,
      `step ${stepId} completed; last completed ${this.#completedStepId}, last submitted ${this.#submittedStepId}`,
    );
    this.#completedStepId = stepId;
    while (this.#quarantineCount > 0) {
      if ((this.#quarantineFence[this.#quarantineHead] ?? 0) > stepId) return;
      this.#pushFree(this.#quarantine[this.#quarantineHead] ?? -1);
      this.#quarantineHead = (this.#quarantineHead + 1) % this.pageCount;
      this.#quarantineCount -= 1;
    }
  }

  /** What the page is used for; null when it is free or quarantined. */
  ownerOf(page: number): PageOwner | null {
    const state = this.#stateOf[page];
    if (state === OWNER_CODES.kv) return "kv";
    return state === OWNER_CODES.adapter ? "adapter" : null;
  }

  /** Copies the books; O(pages), for checks only. */
  snapshot(): PoolSnapshot {
    const quarantinedPages = Array.from(
      { length: this.#quarantineCount },
      (_, index) => this.#quarantine[(this.#quarantineHead + index) % this.pageCount] ?? -1,
    );
    return {
      pageCount: this.pageCount,
      freePages: [...this.#free.subarray(0, this.#freeCount)],
      quarantinedPages,
      usedCount: this.#usedCount,
      referenceCounts: this.#references.slice(),
    };
  }

  #referencesOfUsed(page: number): number {
    const references = this.#references[page] ?? 0;
    assert(references > 0, `page ${page} of ${this.pageCount} is not in use`);
    return references;
  }

  #becomeIdle(page: number): void {
    assert(this.#references[page] === 1, `page ${page} was released by its cache`);
    this.#idleFence[page] = this.#submittedStepId;
    this.#idleCachedCount += 1;
    this.#watcher?.pageIdle(page);
  }

  /** Frees a page without references that steps up to `fence` may read. */
  #pushUnused(page: number, fence: number): void {
    this.#usedCount -= 1;
    if (fence > this.#completedStepId) this.#pushQuarantine(page);
    else this.#pushFree(page);
  }

  #pushQuarantine(page: number): void {
    assert(this.#quarantineCount < this.pageCount, `page ${page} quarantined twice`);
    const tail = (this.#quarantineHead + this.#quarantineCount) % this.pageCount;
    this.#quarantine[tail] = page;
    this.#quarantineFence[tail] = this.#submittedStepId;
    this.#quarantineCount += 1;
    this.#stateOf[page] = QUARANTINED;
  }

  #pushFree(page: number): void {
    assert(this.#stateOf[page] !== FREE, `page ${page} freed twice`);
    this.#free[this.#freeCount] = page;
    this.#freeCount += 1;
    this.#stateOf[page] = FREE;
  }
}
