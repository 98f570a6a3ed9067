import { describe, expect, it } from "vitest";
import { retryPauseMs, withTimeout } from "./retry.ts";

describe("retryPauseMs", () => {
  it("doubles from half a second to a minute", () => {
    expect([1, 2, 3, 4, 7, 8, 9, 1_000].map(retryPauseMs)).toEqual([
      500, 1_000, 2_000, 4_000, 32_000, 60_000, 60_000, 60_000,
    ]);
  });
});

describe("withTimeout", () => {
  it("hands on what the work says in time", async () => {
    expect(await withTimeout(Promise.resolve(7), 1_000)).toBe(7);
    await expect(withTimeout(Promise.reject(new Error("broken")), 1_000)).rejects.toThrow("broken");
  });

  it("rejects when the work takes longer", async () => {
    const never = new Promise<void>(() => {});
    await expect(withTimeout(never, 5)).rejects.toThrow("no answer within 5 ms");
  });
});
