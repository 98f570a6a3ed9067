// Owns which pages of the engine's pool are free, in use or quarantined, by whom and how often; the bytes are the
// native core's. All in O(1) on flat arrays. Invariants: a page is free, used (>= 1 reference) or quarantined
// (none), never two of them; a page freed while a step is in flight is reused only once that step's fence passed.
import { assert } from "@fairlane/base";

/** What a page is used for. Adapters and prompt modules join the list with their issues. */
export type PageOwner = "kv";

const FREE = 0;
const QUARANTINED = 1;
const OWNER_CODES: Readonly<Record<PageOwner, number>> = { kv: 2 };

/** A copy of the pool's books, for pool-integrity.ts. */
export interface PoolSnapshot {
  readonly pageCount: number;
  readonly freePages: readonly number[];
  readonly quarantinedPages: readonly number[];
  readonly usedCount: number;
  readonly referenceCounts: Int32Array;
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
    this.#references[page] = this.#referencesOfUsed(page) + 1;
  }

  /** Drops a reference; the last one frees the page, behind the fence of the steps in flight. */
  release(page: number): void {
    const references = this.#referencesOfUsed(page) - 1;
    this.#references[page] = references;
    if (references > 0) return;
    this.#usedCount -= 1;
    if (this.hasStepInFlight) this.#pushQuarantine(page);
    else this.#pushFree(page);
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
    return this.#stateOf[page] === OWNER_CODES.kv ? "kv" : null;
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
