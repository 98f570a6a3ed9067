// Shows what requests cost, with both cost functions, against values worked out by hand and the paper's fit.
import { describe, expect, it } from "vitest";
import { A10G_PROFILE, linearCost, profiledCost, UNITS_PER_TOKEN } from "./cost.ts";

const FUNCTIONS = [linearCost(), profiledCost()];

describe("linearCost", () => {
  it("charges a prompt token once, an output token twice and a cached one a twentieth", () => {
    const cost = linearCost();
    expect(cost.promptUnits({ computedTokens: 100, cachedTokens: 0 })).toBe(504_000);
    expect(cost.promptUnits({ computedTokens: 0, cachedTokens: 100 })).toBe(25_200);
    expect(cost.outputUnits({ promptTokens: 9, fromTokens: 3, toTokens: 4 })).toBe(10_080);
  });

  it("bounds the spread by the longest prompt or the output that the pool holds", () => {
    const cost = linearCost();
    const units = (promptTokensMax: number, poolTokens: number) =>
      cost.spreadBoundUnits({ promptTokensMax, poolTokens }) / UNITS_PER_TOKEN;
    expect(units(1_000, 10_000)).toBe(20_000);
    expect(units(30_000, 10_000)).toBe(30_000);
  });

  it("refuses prices that are no counts, and free output", () => {
    const prices = { promptUnits: 1, cachedUnits: 0, outputUnits: 2 };
    expect(() => linearCost({ ...prices, promptUnits: 0.5 })).toThrow("0.5 units a token");
    expect(() => linearCost({ ...prices, cachedUnits: -1 })).toThrow("-1 units a token");
    expect(() => linearCost({ ...prices, outputUnits: 0 })).toThrow("must cost something");
  });
});

describe("profiledCost", () => {
  it("follows the paper's fit to a thousandth of a millisecond", () => {
    const cost = profiledCost();
    // h(256, 256) = 0.21001891*256 + 0.10075395*256 + 0.0039868*256^2 + 0.00324733*256^2 + 1.14601454
    const promptMs = cost.promptUnits({ computedTokens: 256, cachedTokens: 0 }) / 10_000;
    const outputMs = cost.outputUnits({ promptTokens: 256, fromTokens: 0, toTokens: 256 }) / 10_000;
    expect(promptMs).toBeCloseTo(54.9109, 3);
    expect(outputMs).toBeCloseTo(499.8878, 2);
  });

  it("refuses lengths beyond what stays exact", () => {
    const output = { promptTokens: 600_000, fromTokens: 0, toTokens: 1 };
    expect(() => profiledCost().outputUnits(output)).toThrow("600000 prompt");
    expect(() => profiledCost({ ...A10G_PROFILE, prompt: 0.5 })).toThrow("0.5");
  });
});

describe.each(FUNCTIONS)("a cost function: $name", (cost) => {
  it("gives integers that grow with every token", () => {
    for (const promptTokens of [1, 17, 4_096, 524_288]) {
      let total = 0;
      for (const at of [0, 1, 2, 1_000, 524_287]) {
        const units = cost.outputUnits({ promptTokens, fromTokens: at, toTokens: at + 1 });
        expect(Number.isSafeInteger(units) && units > 0).toBe(true);
        expect(units).toBeGreaterThanOrEqual(total === 0 ? 1 : total);
        total = units;
      }
    }
  });

  it("charges a range what its tokens cost one by one", () => {
    const output = (fromTokens: number, toTokens: number) =>
      cost.outputUnits({ promptTokens: 333, fromTokens, toTokens });
    let sum = 0;
    for (let at = 5; at < 105; at++) sum += output(at, at + 1);
    expect(sum).toBe(output(5, 105));
  });

  it("charges a cached token less than a computed one", () => {
    const computed = cost.promptUnits({ computedTokens: 64, cachedTokens: 0 });
    const cached = cost.promptUnits({ computedTokens: 0, cachedTokens: 64 });
    expect(cached).toBeLessThan(computed);
    expect(cached).toBeGreaterThan(0);
  });
});
