import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RateBucket } from "./rate-bucket.ts";

describe("RateBucket", () => {
  it("starts full, counts down and refills a sixtieth of a minute's worth each second", () => {
    const bucket = new RateBucket(60, 0);
    expect(bucket.remaining(0)).toBe(60);
    bucket.take(60, 0);
    expect([bucket.remaining(0), bucket.waitMs(1, 0), bucket.resetMs(0)]).toEqual([
      0, 1_000, 60_000,
    ]);
    expect([bucket.remaining(999), bucket.waitMs(1, 999)]).toEqual([0, 1]);
    expect([bucket.remaining(1_000), bucket.waitMs(1, 1_000)]).toEqual([1, 0]);
    expect(bucket.remaining(59_999)).toBe(59);
    expect(bucket.remaining(60_000)).toBe(60);
    expect([bucket.remaining(600_000), bucket.resetMs(600_000)]).toEqual([60, 0]);
  });

  it("owes what was taken beyond its level, for two minutes at most", () => {
    const bucket = new RateBucket(100, 0);
    bucket.take(100, 0);
    bucket.take(50, 0);
    expect([bucket.remaining(0), bucket.waitMs(1, 0)]).toEqual([0, 30_600]);
    bucket.take(1_000_000, 0);
    expect(bucket.resetMs(0)).toBe(120_000);
    expect(bucket.remaining(120_000)).toBe(100);
  });

  it("takes back what was not used, never beyond full", () => {
    const bucket = new RateBucket(100, 0);
    bucket.take(80, 0);
    bucket.take(-30, 0);
    expect(bucket.remaining(0)).toBe(50);
    bucket.take(-1_000, 0);
    expect(bucket.remaining(0)).toBe(100);
  });

  it("refills nothing while the clock stands or steps back", () => {
    const bucket = new RateBucket(60, 100_000);
    bucket.take(60, 100_000);
    expect(bucket.remaining(50_000)).toBe(0);
    expect(bucket.remaining(51_000)).toBe(1);
  });

  it("knows no limit out of range and no wait for more than a minute's worth", () => {
    expect(() => new RateBucket(0, 0)).toThrow("got 0");
    expect(() => new RateBucket(10_000_000_001, 0)).toThrow("got 10000000001");
    expect(() => new RateBucket(5, 0).waitMs(6, 0)).toThrow("6 never fit into 5 a minute");
  });

  it("never admits more than capacity plus refill in any stretch of time", () => {
    const step = fc.record({ elapsedMs: fc.nat(5_000), wanted: fc.integer({ min: 1, max: 40 }) });
    fc.assert(
      fc.property(fc.integer({ min: 40, max: 5_000 }), fc.array(step), (perMinute, steps) => {
        const bucket = new RateBucket(perMinute, 0);
        let nowMs = 0;
        let takenUnits = 0;
        for (const { elapsedMs, wanted } of steps) {
          nowMs += elapsedMs;
          const waitMs = bucket.waitMs(wanted, nowMs);
          // What it promises holds: a millisecond earlier it does not fit, then it does.
          if (waitMs > 0) {
            expect(bucket.waitMs(wanted, nowMs + waitMs - 1)).toBe(1);
            nowMs += waitMs;
            expect(bucket.waitMs(wanted, nowMs)).toBe(0);
          }
          bucket.take(wanted, nowMs);
          takenUnits += wanted;
          expect(takenUnits * 60_000).toBeLessThanOrEqual(perMinute * (60_000 + nowMs));
        }
      }),
    );
  });
});
