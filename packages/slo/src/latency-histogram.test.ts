import { describe, expect, it } from "vitest";
import { LatencyHistogram } from "./latency-histogram.ts";

function histogramOf(latenciesUs: readonly number[]): LatencyHistogram {
  const histogram = new LatencyHistogram();
  for (const latencyUs of latenciesUs) histogram.record(latencyUs);
  return histogram;
}

describe("LatencyHistogram", () => {
  it("gives nearest-rank quantiles, exact below 128 us", () => {
    const histogram = histogramOf([50, 10, 40, 20, 30]);
    expect([0, 0.2, 0.21, 0.5, 0.8, 1].map((q) => histogram.quantileUs(q))).toEqual([
      10, 10, 20, 30, 40, 50,
    ]);
    expect([histogram.count, histogram.meanUs, histogram.maxUs]).toEqual([5, 30, 50]);
  });

  it("keeps every quantile of a wide range within a hundredth", () => {
    const values = Array.from({ length: 2_000 }, (_, index) => Math.round(1.012 ** index));
    const histogram = histogramOf(values.toReversed());
    for (let rank = 1; rank <= values.length; rank++) {
      const trueUs = values[rank - 1] ?? 0;
      const gotUs = histogram.quantileUs(rank / values.length) ?? -1;
      expect(Math.abs(gotUs - trueUs)).toBeLessThanOrEqual(trueUs / 100);
    }
  });

  it("reads values at the borders of its buckets back", () => {
    for (const us of [0, 1, 127, 128, 129, 255, 256, 1_000_000, 2 ** 41]) {
      const got = histogramOf([us, us, us]).quantileUs(0.5);
      expect(got).toBe(us);
    }
  });

  it("counts latencies past its range at their end, and keeps the largest", () => {
    const histogram = histogramOf([5, 2 ** 45, 2 ** 46]);
    expect(histogram.quantileUs(1)).toBe(2 ** 46);
    expect(histogram.quantileUs(0.5)).toBeGreaterThan(2 ** 41);
  });

  it("merges as if all had been recorded in one", () => {
    const merged = histogramOf([1, 500, 90_000]);
    merged.merge(histogramOf([3, 7_000]));
    const whole = histogramOf([1, 500, 90_000, 3, 7_000]);
    for (const q of [0, 0.3, 0.5, 0.9, 1]) {
      expect(merged.quantileUs(q)).toBe(whole.quantileUs(q));
    }
    expect([merged.count, merged.meanUs, merged.maxUs]).toEqual([5, 19_500.8, 90_000]);
    merged.merge(new LatencyHistogram());
    expect(merged.quantileUs(0)).toBe(1);
  });

  it("says that it has nothing to say", () => {
    const empty = new LatencyHistogram();
    expect([empty.quantileUs(0.5), empty.meanUs, empty.maxUs]).toEqual([null, null, 0]);
  });

  it("takes whole microseconds only", () => {
    expect(() => histogramOf([0.5])).toThrow("whole microseconds");
    expect(() => histogramOf([-1])).toThrow("whole microseconds");
    expect(() => histogramOf([1]).quantileUs(1.1)).toThrow("0 .. 1");
  });
});
