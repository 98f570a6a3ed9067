import { describe, expect, it } from "vitest";
import { BlockTable } from "./block-table.ts";
import { GroupPages } from "./group-pages.ts";
import { PagePool } from "./page-pool.ts";
import { checkPoolIntegrity } from "./pool-integrity.ts";

describe("GroupPages", () => {
  it("gives back what the window has left, in order, and keeps what the next query still sees", () => {
    const pool = new PagePool(8);
    const pages = new GroupPages(4, { windowTokens: 6 });
    pages.reserve(pool, 20);
    // A query at 8 sees 3 .. 8: the last position of block 0.
    pages.slideTo(pool, 8);
    expect(pages.held).toHaveLength(5);
    pages.slideTo(pool, 9);
    expect(pages.held.map(({ firstPosition }) => firstPosition)).toEqual([4, 8, 12, 16]);
    expect([pages.entryOf(0), pages.entryOf(1)?.page]).toEqual([undefined, 1]);
    pages.slideTo(pool, 17);
    expect(pages.held.map(({ page }) => page)).toEqual([3, 4]);
    expect([pool.freeCount, pages.lackingPages(20), pages.lackingPages(21)]).toEqual([6, 0, 1]);
    pages.release(pool);
    expect(pool.freeCount).toBe(8);
  });

  it("holds pages of the window that steps in flight may read in quarantine", () => {
    const pool = new PagePool(4);
    const pages = new GroupPages(4, { windowTokens: 1 });
    pages.reserve(pool, 8);
    pool.stepSubmitted(1);
    pages.slideTo(pool, 4);
    expect([pool.freeCount, pool.quarantinedCount]).toEqual([2, 1]);
    pool.stepCompleted(1);
    expect(pool.freeCount).toBe(3);
  });

  it("never gives back without a window", () => {
    const pool = new PagePool(4);
    const pages = new GroupPages(4, { windowTokens: null });
    pages.reserve(pool, 16);
    pages.slideTo(pool, 1_000);
    expect(pages.held).toHaveLength(4);
  });

  it("may begin with any block, whose entry the engine knows as the first", () => {
    const pool = new PagePool(8);
    const [shared, pages] = [
      new GroupPages(4, { windowTokens: 4 }),
      new GroupPages(4, { windowTokens: 4 }),
    ];
    shared.reserve(pool, 12);
    pages.beginAt(2);
    pages.attach(pool, 2, 2);
    expect(() => pages.attach(pool, 1, 1)).toThrow("block 1 attached where block 3 is due");
    expect([12, 13].map((count) => pages.entriesFor(count))).toEqual([1, 2]);
    pages.reserve(pool, 13);
    expect(pages.entries).toEqual([
      { page: 2, firstPosition: 8, nValid: 4 },
      { page: 3, firstPosition: 12, nValid: 0 },
    ]);
  });
});

describe("BlockTable of two groups", () => {
  const groups = [{ windowTokens: null }, { windowTokens: 6 }];

  it("holds a page of each group for every block that it is asked for", () => {
    const pool = new PagePool(8);
    const table = new BlockTable(4, groups);
    expect(table.lackingPages(9)).toBe(6);
    table.reserve(pool, 9);
    expect(table.groups.map(({ held }) => held.map(({ page }) => page))).toEqual([
      [0, 1, 2],
      [3, 4, 5],
    ]);
    table.slideTo(pool, 9);
    expect(table.entries.map(({ page }) => page)).toEqual([0, 1, 2, 4, 5]);
    checkPoolIntegrity(pool, [table]);
    table.release(pool);
    expect(pool.freeCount).toBe(8);
  });

  it("forks so far as queries of the fork see, with a copy in each group", () => {
    const pool = new PagePool(12);
    const table = new BlockTable(4, groups);
    table.reserve(pool, 11);
    table.slideTo(pool, 10);
    const fork = table.fork(pool, 10);
    expect(fork.groups[0]?.entries.map(({ page }) => page)).toEqual([0, 1, 3]);
    expect(fork.groups[1]?.entries).toEqual([
      { page: 4, firstPosition: 4, nValid: 4 },
      { page: 6, firstPosition: 8, nValid: 2 },
    ]);
    expect(fork.copies).toEqual([
      { page: 2, target: 3 },
      { page: 5, target: 6 },
    ]);
    checkPoolIntegrity(pool, [table, fork, { entries: fork.copies }]);
  });
});
