import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { windowAt } from "./budget-window.ts";

const spans = (window: "day" | "week" | "month", at: string) => {
  const { startMs, endMs } = windowAt(window, Date.parse(at));
  return [new Date(startMs).toISOString(), new Date(endMs).toISOString()];
};

describe("windowAt", () => {
  it("knows days, weeks from Monday and months in UTC, leap years and years' ends included", () => {
    // 2026-11-21 is a Saturday.
    expect(spans("day", "2026-11-21T23:59:59.999Z")).toEqual([
      "2026-11-21T00:00:00.000Z",
      "2026-11-22T00:00:00.000Z",
    ]);
    expect(spans("week", "2026-11-21T10:00:00Z")).toEqual([
      "2026-11-16T00:00:00.000Z",
      "2026-11-23T00:00:00.000Z",
    ]);
    expect(spans("week", "2026-11-23T00:00:00Z")[0]).toBe("2026-11-23T00:00:00.000Z");
    expect(spans("month", "2028-02-29T12:00:00Z")).toEqual([
      "2028-02-01T00:00:00.000Z",
      "2028-03-01T00:00:00.000Z",
    ]);
    expect(spans("month", "2026-12-31T23:00:00Z")[1]).toBe("2027-01-01T00:00:00.000Z");
  });

  it("has no gap and no overlap", () => {
    const window = fc.constantFrom("day" as const, "week" as const, "month" as const);
    fc.assert(
      fc.property(window, fc.integer({ min: 0, max: 4_102_444_800_000 }), (kind, atMs) => {
        const { startMs, endMs } = windowAt(kind, atMs);
        expect(startMs).toBeLessThanOrEqual(atMs);
        expect(atMs).toBeLessThan(endMs);
        expect(windowAt(kind, endMs).startMs).toBe(endMs);
        expect(windowAt(kind, startMs - 1).endMs).toBe(startMs);
        expect(Math.abs(startMs % (24 * 3_600_000))).toBe(0);
      }),
    );
  });
});
