import { describe, expect, it } from "vitest";
import { BlockTable } from "./block-table.ts";
import { PagePool } from "./page-pool.ts";
import { checkPoolIntegrity } from "./pool-integrity.ts";

describe("checkPoolIntegrity", () => {
  it("accepts used, free and quarantined pages", () => {
    const pool = new PagePool(6);
    const [kept, ended] = [new BlockTable(4), new BlockTable(4)];
    kept.reserve(pool, 8);
    ended.reserve(pool, 8);
    pool.stepSubmitted(1);
    ended.release(pool);
    expect(() => checkPoolIntegrity(pool, [kept])).not.toThrow();
    expect(pool.quarantinedCount).toBe(2);
  });

  it("finds a page that nobody holds any more", () => {
    const pool = new PagePool(2);
    pool.allocate("kv");
    expect(() => checkPoolIntegrity(pool, [])).toThrow("page 0 has 1 references and 0 holders");
  });

  it("finds a page that is held without a reference", () => {
    const pool = new PagePool(2);
    const table = new BlockTable(4);
    table.reserve(pool, 4);
    expect(() => checkPoolIntegrity(pool, [table, table])).toThrow("1 references and 2 holders");
    pool.release(0);
    expect(() => checkPoolIntegrity(pool, [table])).toThrow("0 references and 1 holders");
  });
});
