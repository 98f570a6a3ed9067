import { describe, expect, it } from "vitest";
import { PagePool } from "./page-pool.ts";

describe("PagePool", () => {
  it("hands out page 0 first and the page freed last again", () => {
    const pool = new PagePool(3);
    expect([pool.allocate("kv"), pool.allocate("kv"), pool.allocate("kv")]).toEqual([0, 1, 2]);
    pool.release(0);
    pool.release(2);
    expect(pool.allocate("kv")).toBe(2);
    expect(pool.freeCount).toBe(1);
  });

  it("frees a page with its last reference", () => {
    const pool = new PagePool(2);
    const page = pool.allocate("kv");
    pool.retain(page);
    pool.release(page);
    expect([pool.usedCount, pool.freeCount, pool.ownerOf(page)]).toEqual([1, 1, "kv"]);
    pool.release(page);
    expect([pool.usedCount, pool.freeCount, pool.ownerOf(page)]).toEqual([0, 2, null]);
  });

  it("quarantines a page freed in mid-step until the fence of the last submitted step", () => {
    const pool = new PagePool(2);
    const first = pool.allocate("kv");
    const second = pool.allocate("kv");
    pool.stepSubmitted(1);
    pool.release(first);
    pool.stepSubmitted(2);
    pool.release(second);
    expect([pool.freeCount, pool.quarantinedCount]).toEqual([0, 2]);
    pool.stepCompleted(1);
    expect([pool.freeCount, pool.quarantinedCount]).toEqual([1, 1]);
    expect(pool.allocate("kv")).toBe(first);
    pool.stepCompleted(2);
    expect([pool.freeCount, pool.quarantinedCount, pool.hasStepInFlight]).toEqual([1, 0, false]);
  });

  it("asserts misuse", () => {
    const pool = new PagePool(1);
    expect(() => pool.release(0)).toThrow("page 0 of 1 is not in use");
    expect(() => pool.retain(7)).toThrow("page 7 of 1 is not in use");
    pool.allocate("kv");
    expect(() => pool.allocate("kv")).toThrow("no free page of 1");
    pool.release(0);
    expect(() => pool.release(0)).toThrow("not in use");
    expect(() => pool.stepCompleted(1)).toThrow("last submitted 0");
    pool.stepSubmitted(1);
    expect(() => pool.stepSubmitted(1)).toThrow("step 1 after step 1");
    expect(() => new PagePool(0)).toThrow("pageCount");
  });
});
