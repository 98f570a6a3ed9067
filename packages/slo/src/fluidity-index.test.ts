import { describe, expect, it } from "vitest";
import { fluidityOf, fluidTokenRate, FluidityMeter } from "./fluidity-index.ts";

const DEADLINES = { prefillDeadlineUs: 300_000, decodeDeadlineUs: 25_000 };

function repeated(ms: number, count: number): number[] {
  return Array.from({ length: count }, () => ms);
}

interface Vector {
  readonly name: string;
  readonly gapsMs: readonly number[];
  readonly missed: number;
  readonly total: number;
  readonly fluidity: number;
}

// The values were computed with the reference implementation of Metron's authors.
const VECTORS: readonly Vector[] = [
  { name: "A on time", gapsMs: [300, 25, 25, 25, 25], missed: 0, total: 5, fluidity: 1 },
  {
    name: "B early stall",
    gapsMs: [300, 130, ...repeated(20, 8)],
    missed: 5,
    total: 14,
    fluidity: 0.642857,
  },
  {
    name: "C late stall absorbed",
    gapsMs: [300, ...repeated(20, 30), 130],
    missed: 0,
    total: 32,
    fluidity: 1,
  },
  { name: "D late first token", gapsMs: [500, 25, 25, 25], missed: 9, total: 12, fluidity: 0.25 },
  {
    name: "E slack of the first token absorbs",
    gapsMs: [100, 125, 25, 25],
    missed: 0,
    total: 4,
    fluidity: 1,
  },
  { name: "F exact multiple", gapsMs: [300, 50], missed: 2, total: 3, fluidity: 0.333333 },
  { name: "G just over", gapsMs: [300, 26], missed: 1, total: 2, fluidity: 0.5 },
  {
    name: "H two stalls, slack lost",
    gapsMs: [300, 100, 20, 20, 60],
    missed: 6,
    total: 9,
    fluidity: 0.333333,
  },
  {
    name: "I token bursts",
    gapsMs: [300, 0, 0, 75, 0, 0, 75],
    missed: 0,
    total: 7,
    fluidity: 1,
  },
  { name: "J only token, late", gapsMs: [1000], missed: 29, total: 29, fluidity: 0 },
];

describe("FluidityMeter", () => {
  it.each(VECTORS)("counts vector $name", ({ gapsMs, missed, total, fluidity }) => {
    const meter = new FluidityMeter(DEADLINES);
    for (const gapMs of gapsMs) meter.token(gapMs * 1_000);
    expect([meter.missed, meter.total]).toEqual([missed, total]);
    expect(meter.fluidity).toBeCloseTo(fluidity, 6);
  });

  it("has no fluidity before the first token", () => {
    expect(new FluidityMeter(DEADLINES).fluidity).toBeNull();
    expect(fluidityOf([], DEADLINES)).toBeNull();
  });

  it("takes whole microseconds only", () => {
    expect(() => fluidityOf([0.3], DEADLINES)).toThrow("whole microseconds");
    expect(() => new FluidityMeter({ prefillDeadlineUs: 1, decodeDeadlineUs: 0 })).toThrow(
      "above 0",
    );
  });
});

describe("fluidTokenRate", () => {
  it("is the rate of an even stream, whatever its first token took", () => {
    expect(fluidTokenRate([[9_000_000, ...repeated(20_000, 40)]])).toBe(50);
  });

  it("lets one deadline in ten pass", () => {
    // Nine early tokens build nine deadlines of slack; with the gap's own and the one to miss, eleven exceed 40 ms.
    const late = fluidTokenRate([[0, ...repeated(0, 9), 40_000]]) ?? 0;
    expect(late).toBeCloseTo(1e6 / 3_637, 9);
    // Up front there is no slack: 40 ms may miss once among ten deadlines, so two must not fit into them.
    const rate = fluidTokenRate([[0, 40_000, ...repeated(0, 9)]]) ?? 0;
    expect(rate).toBeCloseTo(1e6 / 20_001, 9);
  });

  it("is set by the slowest of the requests that count", () => {
    const fast = [0, ...repeated(10_000, 20)];
    const slow = [0, ...repeated(100_000, 20)];
    expect(fluidTokenRate([fast, fast, fast, slow], 0.75)).toBe(100);
    expect(fluidTokenRate([fast, fast, fast, slow])).toBe(10);
    expect(fluidTokenRate([[5_000], []])).toBeNull();
  });
});
