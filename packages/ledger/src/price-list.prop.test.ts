import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { costNanoUsd } from "./price-list.ts";

const rate = fc.integer({ min: 0, max: 100_000_000_000 });
const price = fc.record({
  inputNanoUsdPerMillion: rate,
  cachedInputNanoUsdPerMillion: rate,
  outputNanoUsdPerMillion: rate,
});
const count = fc.integer({ min: 0, max: 10_000_000 });
const tokens = fc.record({ promptTokens: count, cachedTokens: count, outputTokens: count });

const costOf = (...input: Parameters<typeof costNanoUsd>): number => {
  const cost = costNanoUsd(...input);
  return cost.ok ? cost.value : Number.NaN;
};

describe("costNanoUsd, any counts and prices", () => {
  it("is a safe integer within half a nano-USD of the exact amount", () => {
    fc.assert(
      fc.property(tokens, price, (sums, rates) => {
        const exactMillionths =
          BigInt(sums.promptTokens) * BigInt(rates.inputNanoUsdPerMillion) +
          BigInt(sums.cachedTokens) * BigInt(rates.cachedInputNanoUsdPerMillion) +
          BigInt(sums.outputTokens) * BigInt(rates.outputNanoUsdPerMillion);
        const cost = costOf(sums, rates);
        expect(Number.isSafeInteger(cost)).toBe(true);
        const off = BigInt(cost) * 1_000_000n - exactMillionths;
        expect(off >= -500_000n && off <= 500_000n).toBe(true);
      }),
    );
  });

  it("is within one nano-USD of the sum of its parts, and never falls when tokens are added", () => {
    fc.assert(
      fc.property(tokens, tokens, price, (left, right, rates) => {
        const both = {
          promptTokens: left.promptTokens + right.promptTokens,
          cachedTokens: left.cachedTokens + right.cachedTokens,
          outputTokens: left.outputTokens + right.outputTokens,
        };
        const whole = costOf(both, rates);
        expect(Math.abs(whole - costOf(left, rates) - costOf(right, rates))).toBeLessThanOrEqual(1);
        expect(whole).toBeGreaterThanOrEqual(costOf(left, rates));
      }),
    );
  });
});
