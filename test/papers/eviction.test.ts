// Compares the one evictor with least-recently-used and with what no policy can pass, on mixed traces: popularity by
// Zipf's law, sizes and costs that differ by kind, documents that come once, drift, conversations. The evictor's
// constants were chosen on TRAINING; what is asserted is asserted of VALIDATION.
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { upperBound, withEvictor, withLru, type HitRates } from "./eviction-policies.ts";
import { makeTrace, VALIDATION, type Trace } from "./eviction-trace.ts";

/** All objects of the mixed trace, one-time documents aside, are 4,000 MB. */
const POOL_MEGABYTES = [50, 100, 200, 300, 500, 1_000];

interface Compared {
  readonly megabytes: number;
  readonly lru: HitRates;
  readonly own: HitRates;
  readonly bound: HitRates;
}

const traces = Object.entries(VALIDATION).map(([name, described]) => ({
  name,
  trace: makeTrace(described),
}));

function compare(trace: Trace, megabytes: number): Compared {
  const poolBytes = megabytes * 1_000_000;
  const [lru, own] = [withLru(trace, poolBytes), withEvictor(trace, poolBytes)];
  return { megabytes, lru, own, bound: upperBound(trace, poolBytes) };
}

function line({ megabytes, lru, own, bound }: Compared): string {
  const rates = (of: HitRates): string =>
    `${of.accessesPct.toFixed(1).padStart(5)} ${of.costPct.toFixed(1).padStart(5)}`;
  return `${String(megabytes).padStart(5)} MB  lru ${rates(lru)}  own ${rates(own)}  bound ${rates(bound)}\n`;
}

describe("the evictor on traces on which nothing was chosen", () => {
  it("is compared on the very traces that are described", () => {
    const digests = traces.map(({ name, trace }) => {
      const hash = createHash("sha256").update(JSON.stringify(trace)).digest("hex");
      return `${name} ${hash.slice(0, 16)}`;
    });
    expect(digests).toEqual([
      "mixed fa2806b599e4b8e4",
      "more adapters aa06a1c7f53cf9a3",
      "steeper b0c8a84b95b206d7",
      "flatter a0d0e6b8d858941f",
      "drifting c78c47512949ae5b",
      "talking 33d62b99b223f92b",
    ]);
  });

  const compared = new Map(
    traces.map(({ name, trace }) => {
      const sizes = POOL_MEGABYTES.map((megabytes) => compare(trace, megabytes));
      process.stdout.write(`${name}: percent of accesses and of cost\n${sizes.map(line).join("")}`);
      return [name, sizes] as const;
    }),
  );

  it("hits 10 points more often than least-recently-used on the mixed trace, in pools of 50 to 500 MB", () => {
    const sizes = (compared.get("mixed") ?? []).filter(({ megabytes }) => megabytes <= 500);
    expect(sizes).toHaveLength(5);
    for (const { lru, own } of sizes) {
      expect(own.accessesPct - lru.accessesPct).toBeGreaterThanOrEqual(10);
      // Not bought with what is dear to bring back.
      expect(own.costPct - lru.costPct).toBeGreaterThanOrEqual(5);
    }
  });

  it.each(traces)("does so on the trace `$name` in pools of 200 and 300 MB", ({ name }) => {
    for (const { megabytes, lru, own } of compared.get(name) ?? []) {
      if (megabytes !== 200 && megabytes !== 300) continue;
      expect(own.accessesPct - lru.accessesPct).toBeGreaterThanOrEqual(10);
      expect(own.costPct - lru.costPct).toBeGreaterThanOrEqual(9);
    }
  });

  it("is never worse in any pool, and never better than can be", () => {
    for (const { lru, own, bound } of [...compared.values()].flat()) {
      expect(own.accessesPct).toBeGreaterThan(lru.accessesPct);
      expect(own.costPct).toBeGreaterThan(lru.costPct);
      expect(own.accessesPct).toBeLessThan(bound.accessesPct);
      expect(own.costPct).toBeLessThan(bound.costPct);
    }
  });
});
