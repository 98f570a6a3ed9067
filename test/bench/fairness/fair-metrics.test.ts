// Shows the paper's measures on requests small enough to work out by hand.
import { describe, expect, it } from "vitest";
import {
  accumulated,
  fairMetrics,
  firstTokenSeconds,
  serviceDiff,
  serviceWithin,
  type ServedRequest,
} from "./fair-metrics.ts";

/** 60 prompt and 120 output tokens: a service of 300. */
function request(
  tenantId: string,
  firstSeconds: number | null,
  lastSeconds: number,
): ServedRequest {
  return {
    arrival: { tenantId, atMs: 0, promptTokens: 60, outputTokens: 120 },
    firstUs: firstSeconds === null ? null : firstSeconds * 1e6,
    lastUs: lastSeconds * 1e6,
  };
}

describe("service", () => {
  it("is spread evenly from the first token to the last", () => {
    const served = [request("a", 10, 20), request("a", 20, 20), request("b", null, 0)];
    const at = (seconds: number) => accumulated(served, seconds).get("a");
    expect([at(10), at(15), at(20), at(20.1)]).toEqual([0, 150, 300, 600]);
    expect(accumulated(served, 100).get("b")).toBe(0);
    expect(serviceWithin(served, 12, 15).get("a")).toBe(90);
  });

  it("differs by what a client got less than the best and had asked for", () => {
    // a was served 600 in the window, b asked for 300 and got 150.
    const served = [request("a", 0, 30), request("a", 30, 60), request("b", 30, 90)];
    expect(serviceDiff(served, 0)).toBeCloseTo(150 / 60, 9);
    // In the next window b gets what it asked for before; it asked for nothing, a neither.
    expect(serviceDiff(served, 60)).toBeCloseTo(0, 9);
  });

  it("makes a row of the paper's table", () => {
    const served = [request("a", 0, 30), request("b", 30, 90), request("c", null, 0)];
    const row = fairMetrics(served, 90);
    expect(row).toMatchObject({ tokensPerSecond: 4, servedCount: 2, maxAccDiff: 300 });
    expect(row.maxDiff).toBeGreaterThanOrEqual(row.avgDiff);
  });

  it("counts a client's seconds to the first token", () => {
    const served = [request("a", 2, 9), request("a", 4, 9), request("a", null, 0)];
    expect(firstTokenSeconds(served, "a")).toEqual({ mean: 3, p99: 4 });
  });
});
