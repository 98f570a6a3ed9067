// Owns the pages of one request: those of each KV group (group-pages.ts), and copies of pages that its first step has
// to make. It does not choose when to allocate. Invariants: a page is of one group only; a page that several tables
// hold is never written to.
import { assert, units } from "@fairlane/base";
import { GroupPages, type BlockEntry, type GroupWindow } from "./group-pages.ts";
import type { PagePool } from "./page-pool.ts";

/** Bytes that a step has to copy before the table's first row runs. */
export interface PageCopy {
  /** The page that is copied; the table holds a reference of it until the copy was submitted. */
  readonly page: number;
  readonly target: number;
}

const NO_COPIES: readonly PageCopy[] = [];
const ONE_GROUP: readonly GroupWindow[] = [{ windowTokens: null }];

export class BlockTable {
  /** One for each KV group of the engine, in its order. */
  readonly groups: readonly GroupPages[];
  readonly #pageTokens: number;
  #copies: readonly PageCopy[] = NO_COPIES;
  /** Positions known to have pages in all groups, and to be mapped: rows of every step ask, groups are asked rarely. */
  #coveredPositions = 0;
  #mappedPositions = 0;
  #isReleased = false;

  constructor(pageTokens: number, groups: readonly GroupWindow[] = ONE_GROUP) {
    assert(
      Number.isSafeInteger(pageTokens) && pageTokens >= 1,
      `pageTokens must be >= 1: ${pageTokens}`,
    );
    this.#pageTokens = pageTokens;
    this.groups = groups.map((group) => new GroupPages(pageTokens, group));
  }

  /** Entries of all groups whose pages the table holds; O(entries), for checks. */
  get entries(): readonly BlockEntry[] {
    return this.groups.flatMap((group) => group.held);
  }

  /** Copies that no submitted step has made yet. */
  get copies(): readonly PageCopy[] {
    return this.#copies;
  }

  /** Blocks that positions 0 .. positionCount - 1 lie in. */
  blocksFor(positionCount: number): number {
    return units.pagesForTokens(positionCount, this.#pageTokens);
  }

  /** Pages that `reserve` would take. */
  lackingPages(positionCount: number, windowedCount = positionCount): number {
    if (positionCount <= this.#coveredPositions && windowedCount <= this.#coveredPositions)
      return 0;
    let pages = 0;
    let coveredPositions = Infinity;
    for (const group of this.groups) {
      pages += group.lackingPages(group.windowTokens === null ? positionCount : windowedCount);
      coveredPositions = Math.min(coveredPositions, group.coveredPositions);
    }
    this.#coveredPositions = coveredPositions;
    return pages;
  }

  /** True when the engine's page table has all pages of positions 0 .. positionCount - 1, as far as was noted. */
  isMapped(positionCount: number): boolean {
    return positionCount <= this.#mappedPositions;
  }

  /** Notes what the groups were told of the engine's page table. */
  noteMapped(): void {
    let mappedPositions = Infinity;
    for (const group of this.groups) {
      mappedPositions = Math.min(mappedPositions, group.mappedPositions);
    }
    this.#mappedPositions = mappedPositions;
  }

  /**
   * Allocates fresh pages in all groups until positions 0 .. positionCount - 1 have had one; groups with a window may be
   * content with fewer positions, since they give pages back on the way.
   */
  reserve(pool: PagePool, positionCount: number, windowedCount = positionCount): void {
    assert(!this.#isReleased, "pages reserved for a request that has ended");
    for (const group of this.groups) {
      group.reserve(pool, group.windowTokens === null ? positionCount : windowedCount);
    }
  }

  /** Notes that positions 0 .. positionCount - 1 were copied into pages that the engine was not told of yet. */
  noteFilled(positionCount: number): void {
    for (const group of this.groups) group.noteFilled(positionCount);
  }

  /** Gives back the pages that no query at `position` or later sees: their windows have left them. */
  slideTo(pool: PagePool, position: number): void {
    for (const group of this.groups) group.slideTo(pool, position);
  }

  /**
   * A new table that begins with the first `positionCount` positions of this one, so far as queries behind them see
   * them: full pages are shared, since nobody writes to them any more once they are computed; part-filled ones become
   * private copies. The first row of the new table has to run after those positions were computed. A page of each group
   * must be free when a page is part-filled.
   */
  fork(pool: PagePool, positionCount: number): BlockTable {
    assert(!this.#isReleased, "pages shared by a request that has ended");
    const forked = new BlockTable(this.#pageTokens, this.groups);
    const sharedCount = Math.floor(positionCount / this.#pageTokens);
    const nValid = positionCount % this.#pageTokens;
    for (const [index, source] of this.groups.entries()) {
      const target = forked.groups[index];
      const partFilled = source.entryOf(sharedCount);
      assert(
        target !== undefined &&
          source.hasBlocks(sharedCount) &&
          (nValid === 0 || partFilled !== undefined),
        `${positionCount} positions shared of ${source.entries.length} pages`,
      );
      target.beginAt((source.held[0]?.firstPosition ?? 0) / this.#pageTokens);
      for (const { page, firstPosition } of source.held) {
        const block = firstPosition / this.#pageTokens;
        if (block < sharedCount) target.attach(pool, page, block);
      }
      if (nValid === 0 || partFilled === undefined) continue;
      pool.retain(partFilled.page);
      const copy = { page: partFilled.page, target: target.append(pool, nValid).page };
      forked.#copies = [...forked.#copies, copy];
    }
    return forked;
  }

  /** Notes that a step with the table's copies was submitted: what they read may go once that step is done. */
  copiesSubmitted(pool: PagePool): void {
    for (const { page } of this.#copies) pool.release(page);
    this.#copies = NO_COPIES;
  }

  /** Gives every page back, once. */
  release(pool: PagePool): void {
    assert(!this.#isReleased, "a request's pages were released twice");
    this.#isReleased = true;
    for (const group of this.groups) group.release(pool);
    this.#coveredPositions = 0;
    this.#mappedPositions = 0;
    this.copiesSubmitted(pool);
  }
}
