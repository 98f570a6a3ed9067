// Shows that the suites are the paper's, and that the five traces have the shape of the real one.
import { describe, expect, it } from "vitest";
import { arenaSuites } from "./arena.ts";
import { timeSteps } from "./many-tenants.ts";
import { idleReturn, SUITES, sybil, type Suite } from "./suites.ts";

function countOf({ arrivals }: Suite, tenantId: string, [from, until] = [0, Infinity]): number {
  return arrivals.filter(
    (arrival) =>
      arrival.tenantId === tenantId && arrival.atMs >= from * 1e3 && arrival.atMs < until * 1e3,
  ).length;
}

const suites = new Map(SUITES.map((make) => make()).map((suite) => [suite.name, suite]));

function suite(name: string): Suite {
  const found = suites.get(name);
  if (found === undefined) throw new Error(`no suite is called ${name}`);
  return found;
}

describe("suites", () => {
  it("send at the paper's rates, in the order of time", () => {
    expect([countOf(suite("overload"), "c0"), countOf(suite("overload"), "c1")]).toEqual([
      540, 1_080,
    ]);
    expect(suite("overload-multi").arrivals).toHaveLength(3 * 144 + 5 * 216);
    expect(countOf(suite("proportional"), "c2")).toBe(900);
    for (const { arrivals } of suites.values()) {
      const times = arrivals.map(({ atMs }) => atMs);
      expect(times).toEqual(times.toSorted((a, b) => a - b));
    }
  });

  it("let on-off clients be silent in odd minutes", () => {
    for (const name of ["on_off_less", "on_off_overload"]) {
      expect(countOf(suite(name), "c0", [0, 60])).toBeGreaterThan(0);
      expect(countOf(suite(name), "c0", [60, 120])).toBe(0);
    }
  });

  it("ramp up, and shift between phases", () => {
    const increase = suite("increase");
    expect(countOf(increase, "c1")).toBe(660);
    // The first 100 s at 0.2 to 0.5 a second, the last at 1.7 to 2.
    expect(countOf(increase, "c1", [0, 100])).toBe(35);
    expect(countOf(increase, "c1", [500, 600])).toBe(185);
    const shift = suite("dist_shift");
    const phase = (from: number) => countOf(shift, "c1", [from, from + 300]);
    expect([phase(0), phase(300), phase(600)]).toEqual([600, 300, 450]);
  });

  it("pick Poisson arrivals by rate, short ones or lopsided ones", () => {
    const { arrivals } = suite("poisson_short_long");
    const part = countOf(suite("poisson_short_long"), "c0") / arrivals.length;
    expect(part).toBeCloseTo(8 / 9.5, 1);
    const lopsided = suite("poisson_short_long_2").arrivals;
    expect(new Set(lopsided.map((one) => `${one.promptTokens}/${one.outputTokens}`))).toEqual(
      new Set(["512/32", "32/512"]),
    );
  });

  it("return after an idle time, and flood with eight keys", () => {
    expect(countOf(idleReturn(), "c0", [0, 200])).toBe(0);
    expect(countOf(idleReturn(), "c0", [200, 300])).toBe(300);
    expect([countOf(sybil(), "many"), countOf(sybil(), "one")]).toEqual([8 * 180, 540]);
  });

  it("have five arena-like traces of 1,500 requests, 27 clients and the real one's lengths", async () => {
    const traces = await arenaSuites();
    expect(traces.map(({ name }) => name)).toEqual(
      [101, 202, 303, 404, 505].map((seed) => `arena-like ${seed}`),
    );
    const all = traces.flatMap(({ arrivals }) => arrivals);
    const mean = (pick: (arrival: (typeof all)[number]) => number) =>
      all.reduce((sum, arrival) => sum + pick(arrival), 0) / all.length;
    expect(Math.abs(mean(({ promptTokens }) => promptTokens) - 136)).toBeLessThan(5);
    expect(Math.abs(mean(({ outputTokens }) => outputTokens) - 256)).toBeLessThan(5);
    for (const trace of traces) {
      expect(trace.arrivals).toHaveLength(1_500);
      expect(countOf(trace, "c26")).toBe(296);
      expect(new Set(trace.arrivals.map(({ tenantId }) => tenantId)).size).toBe(27);
    }
  });
});

describe("timeSteps", () => {
  it("times the queue's part of a step", () => {
    const { stepUsP50, stepUsP99 } = timeSteps(100);
    expect(stepUsP50).toBeGreaterThan(0);
    expect(stepUsP99).toBeGreaterThanOrEqual(stepUsP50);
  });
});
