// Owns the pages of one request in the order of their positions, and how many of the entries the engine has been
// told of. It does not choose when to allocate. Invariant: entries are dense, entry i begins at position
// i * pageTokens, and each entry holds one reference of its page until release; a page that several tables hold is never
// written to.
import { assert, units } from "@fairlane/base";
import type { PagePool } from "./page-pool.ts";

/** One page of a request's context, as the step plan carries it. */
export interface BlockEntry {
  readonly page: number;
  /** Position of the page's first token. */
  readonly firstPosition: number;
  /** Tokens of the page that were valid when it was attached: 0 for a fresh page. */
  readonly nValid: number;
}

/** Bytes that a step has to copy before the table's first row runs. */
export interface PageCopy {
  /** The page that is copied; the table holds a reference of it until the copy was submitted. */
  readonly page: number;
  readonly target: number;
}

const NO_COPIES: readonly PageCopy[] = [];

export class BlockTable {
  readonly #pageTokens: number;
  readonly #entries: BlockEntry[] = [];
  #copies: readonly PageCopy[] = NO_COPIES;
  #mappedCount = 0;
  #isReleased = false;

  constructor(pageTokens: number) {
    assert(
      Number.isSafeInteger(pageTokens) && pageTokens >= 1,
      `pageTokens must be >= 1: ${pageTokens}`,
    );
    this.#pageTokens = pageTokens;
  }

  get entries(): readonly BlockEntry[] {
    return this.#entries;
  }

  /** Copies that no submitted step has made yet. */
  get copies(): readonly PageCopy[] {
    return this.#copies;
  }

  /** Entries, from the first on, that the engine's page table has. */
  get mappedCount(): number {
    return this.#mappedCount;
  }

  /** Entries that positions 0 .. positionCount - 1 need. */
  entriesFor(positionCount: number): number {
    return units.pagesForTokens(positionCount, this.#pageTokens);
  }

  /** Appends a full page that others may share, and holds a reference of it. Nothing is ever written to it. */
  attach(pool: PagePool, page: number): void {
    assert(!this.#isReleased, "pages attached to a request that has ended");
    pool.retain(page);
    const firstPosition = this.#entries.length * this.#pageTokens;
    this.#entries.push({ page, firstPosition, nValid: this.#pageTokens });
  }

  /** Allocates fresh pages until positions 0 .. positionCount - 1 have one. */
  reserve(pool: PagePool, positionCount: number): void {
    assert(!this.#isReleased, "pages reserved for a request that has ended");
    const entryCount = this.entriesFor(positionCount);
    for (let entry = this.#entries.length; entry < entryCount; entry++) {
      const page = pool.allocate("kv");
      this.#entries.push({ page, firstPosition: entry * this.#pageTokens, nValid: 0 });
    }
  }

  /**
   * A new table that begins with the first `positionCount` positions of this one: full pages are shared, since nobody
   * writes to them any more once they are computed; a part-filled one becomes a private copy. The first row of the
   * new table has to run after those positions were computed. One page must be free when a page is part-filled.
   */
  fork(pool: PagePool, positionCount: number): BlockTable {
    assert(!this.#isReleased, "pages shared by a request that has ended");
    const forked = new BlockTable(this.#pageTokens);
    const sharedCount = Math.floor(positionCount / this.#pageTokens);
    for (const { page } of this.#entries.slice(0, sharedCount)) forked.attach(pool, page);
    const nValid = positionCount % this.#pageTokens;
    const source = this.#entries[sharedCount];
    assert(
      forked.#entries.length === sharedCount && (nValid === 0 || source !== undefined),
      `${positionCount} positions shared of ${this.#entries.length} pages`,
    );
    if (nValid > 0 && source !== undefined) forked.#copy(pool, source, nValid);
    return forked;
  }

  /** Notes that a step with the table's copies was submitted: what they read may go once that step is done. */
  copiesSubmitted(pool: PagePool): void {
    for (const { page } of this.#copies) pool.release(page);
    this.#copies = NO_COPIES;
  }

  /** Notes that the engine is told of the first `count` entries. */
  markMapped(count: number): void {
    assert(
      count >= this.#mappedCount && count <= this.#entries.length,
      `${count} entries mapped, had ${this.#mappedCount} of ${this.#entries.length}`,
    );
    this.#mappedCount = count;
  }

  /** Gives every page back, once. */
  release(pool: PagePool): void {
    assert(!this.#isReleased, "a request's pages were released twice");
    this.#isReleased = true;
    for (const entry of this.#entries) pool.release(entry.page);
    this.copiesSubmitted(pool);
    this.#entries.length = 0;
    this.#mappedCount = 0;
  }

  #copy(pool: PagePool, source: BlockEntry, nValid: number): void {
    const target = pool.allocate("kv");
    pool.retain(source.page);
    this.#copies = [...this.#copies, { page: source.page, target }];
    this.#entries.push({ page: target, firstPosition: source.firstPosition, nValid });
  }
}
