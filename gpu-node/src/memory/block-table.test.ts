import { describe, expect, it } from "vitest";
import { BlockTable } from "./block-table.ts";
import { PagePool } from "./page-pool.ts";
import { checkPoolIntegrity } from "./pool-integrity.ts";

describe("BlockTable", () => {
  it("gives every position a page, in order, and only adds what is missing", () => {
    const pool = new PagePool(8);
    const table = new BlockTable(16);
    table.reserve(pool, 17);
    table.reserve(pool, 33);
    table.reserve(pool, 20);
    expect(table.entries).toEqual([
      { page: 0, firstPosition: 0, nValid: 0 },
      { page: 1, firstPosition: 16, nValid: 0 },
      { page: 2, firstPosition: 32, nValid: 0 },
    ]);
    expect(pool.freeCount).toBe(5);
  });

  it("counts blocks of a number of positions", () => {
    const table = new BlockTable(16);
    expect([0, 1, 16, 17].map((count) => table.blocksFor(count))).toEqual([0, 1, 1, 2]);
  });

  it("gives its pages back once", () => {
    const pool = new PagePool(4);
    const table = new BlockTable(16);
    table.reserve(pool, 40);
    table.groups[0]?.markMapped(2);
    table.release(pool);
    expect([pool.freeCount, table.entries.length, table.groups[0]?.mappedCount]).toEqual([4, 0, 0]);
    expect(() => table.release(pool)).toThrow("released twice");
    expect(() => table.reserve(pool, 1)).toThrow("has ended");
  });

  it("forks with full pages shared and a part-filled one copied, and holds the source until the copy is submitted", () => {
    const pool = new PagePool(8);
    const table = new BlockTable(16);
    table.reserve(pool, 40);
    const fork = table.fork(pool, 37);
    expect(fork.entries).toEqual([
      { page: 0, firstPosition: 0, nValid: 16 },
      { page: 1, firstPosition: 16, nValid: 16 },
      { page: 3, firstPosition: 32, nValid: 5 },
    ]);
    expect(fork.copies).toEqual([{ page: 2, target: 3 }]);
    checkPoolIntegrity(pool, [table, fork, { entries: fork.copies }]);
    table.release(pool);
    expect(pool.snapshot().referenceCounts.subarray(0, 4)).toEqual(Int32Array.of(1, 1, 1, 1));
    pool.stepSubmitted(1);
    fork.copiesSubmitted(pool);
    expect([fork.copies, pool.quarantinedCount]).toEqual([[], 1]);
    pool.stepCompleted(1);
    fork.reserve(pool, 49);
    expect(fork.entries.at(-1)).toMatchObject({ firstPosition: 48, nValid: 0 });
    checkPoolIntegrity(pool, [fork]);
    fork.release(pool);
    expect(pool.freeCount).toBe(8);
  });

  it("forks at a page's end without a copy, and gives a source back with the table", () => {
    const pool = new PagePool(8);
    const table = new BlockTable(16);
    table.reserve(pool, 40);
    expect(table.fork(pool, 32).copies).toEqual([]);
    const part = table.fork(pool, 1);
    part.release(pool);
    expect(pool.snapshot().referenceCounts.subarray(0, 4)).toEqual(Int32Array.of(2, 2, 1, 0));
    expect(() => table.fork(pool, 50)).toThrow("50 positions shared of 3 pages");
  });

  it("asserts that mapped entries only grow and exist", () => {
    const pool = new PagePool(4);
    const table = new BlockTable(16);
    table.reserve(pool, 32);
    table.groups[0]?.markMapped(1);
    expect(() => table.groups[0]?.markMapped(0)).toThrow("0 entries mapped");
    expect(() => table.groups[0]?.markMapped(3)).toThrow("3 entries mapped, had 1 of 2");
  });
});
