import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StepBudget } from "./step-budget.ts";
import { pairsOfChunk, type StepCostModel, type StepShape } from "./step-cost-model.ts";
import { StepPredictor } from "./step-predictor.ts";

const YI_34B: StepCostModel = {
  floorUs: 42_000,
  baseUs: 0,
  tokenUs: 168,
  kneeTokens: 4,
  kneeUs: 6_000,
  decodeUs: 200,
  contextUs: 0.09,
  pairUs: 0.0046,
};
const EMPTY: StepShape = { tokens: 0, decodes: 0, decodeContextTokens: 0, chunkPairs: 0 };
const LONG = 131_072;

function adaptive(targetMs: number, tokens = 8_192): StepBudget {
  return new StepBudget(tokens, { us: targetMs * 1_000, predictor: new StepPredictor(YI_34B) });
}

function decodes(count: number, contextTokens: number): StepShape {
  const decodeContextTokens = count * contextTokens;
  return { tokens: count, decodes: count, decodeContextTokens, chunkPairs: 0 };
}

describe("StepBudget, fixed", () => {
  it("leaves what the decodes leave, and the minimum share when they leave nothing", () => {
    const budget = new StepBudget(64);
    const chunk = { firstPosition: 0, leftTokens: 500 };
    expect(budget.chunkTokens(EMPTY, chunk)).toBe(64);
    expect(budget.chunkTokens(decodes(10, 9), chunk)).toBe(54);
    expect(budget.chunkTokens(decodes(10, 9), { ...chunk, leftTokens: 3 })).toBe(3);
    expect(budget.chunkTokens(decodes(64, 9), chunk)).toBe(16);
    expect(budget.chunkTokens(decodes(90, 9), chunk)).toBe(16);
    const full = { ...decodes(90, 9), tokens: 106 };
    expect(budget.chunkTokens(full, chunk)).toBe(0);
  });
});

describe("StepBudget, adaptive", () => {
  // Recomputed in the reference for a prompt of 131,072 tokens alone, in multiples of 32.
  it.each([
    [100, [544, 480, 384, 160, 32]],
    [200, [1_120, 1_024, 768, 384, 96]],
  ])("takes the largest chunk within %i ms at each context", (targetMs, chunks) => {
    const contexts = [0, 4_096, 16_384, 65_536, 262_144];
    const budget = adaptive(targetMs);
    const taken = contexts.map((firstPosition) =>
      budget.chunkTokens(EMPTY, { firstPosition, leftTokens: LONG }),
    );
    expect(taken.map((tokens) => tokens - (tokens % 32))).toEqual(chunks);
  });

  it("costs little over a fixed budget of 512 at half of its longest step", () => {
    const budget = adaptive(200);
    const predictor = new StepPredictor(YI_34B);
    let [position, totalUs, longestUs] = [0, 0, 0];
    while (position < LONG) {
      const chunk = { firstPosition: position, leftTokens: LONG - position };
      const tokens = budget.chunkTokens(EMPTY, chunk);
      const us = predictor.predictUs({
        ...EMPTY,
        tokens,
        chunkPairs: pairsOfChunk(tokens, position),
      });
      totalUs += us;
      longestUs = Math.max(longestUs, us);
      position += tokens;
    }
    // Fixed 512: 63.1 s in all, 0.400 s the longest.
    expect(totalUs).toBeLessThan(63_100_000 * 1.05);
    expect(longestUs).toBeLessThanOrEqual(200_000);
  });

  it("cuts so that the whole step is a multiple of the tile, and takes an end whole", () => {
    const budget = adaptive(100);
    const batch = decodes(9, 1_024);
    const cut = budget.chunkTokens(batch, { firstPosition: 0, leftTokens: LONG });
    expect([cut, (cut + 9) % 16]).toEqual([519, 0]);
    expect(budget.chunkTokens(batch, { firstPosition: 0, leftTokens: 77 })).toBe(77);
  });

  it("keeps to its bounds for any batch and chunk", () => {
    const batch = fc.record({
      decodes: fc.nat(300),
      prefill: fc.nat(300),
      contextTokens: fc.nat(4_000),
    });
    const chunk = fc.record({ firstPosition: fc.nat(100_000), leftTokens: fc.integer({ min: 1 }) });
    const targetMs = fc.integer({ min: 1, max: 500 });
    fc.assert(
      fc.property(batch, chunk, targetMs, (given, next, target) => {
        const budget = adaptive(target, 512);
        const { model } = new StepPredictor(YI_34B);
        const shape = { ...decodes(given.decodes, given.contextTokens) };
        const before = { ...shape, tokens: shape.tokens + given.prefill };
        const tokens = budget.chunkTokens(before, next);
        const prefillMax = Math.max(16, 512 - given.decodes);
        expect(tokens).toBeGreaterThanOrEqual(0);
        expect(tokens).toBeLessThanOrEqual(next.leftTokens);
        expect(tokens + given.prefill).toBeLessThanOrEqual(Math.max(prefillMax, given.prefill));
        // the minimum share is there whatever the target
        const share = Math.min(16 - given.prefill, next.leftTokens);
        expect(tokens).toBeGreaterThanOrEqual(Math.min(share, prefillMax));
        if (tokens <= Math.max(0, share)) return;
        const after = {
          ...before,
          tokens: before.tokens + tokens,
          chunkPairs: pairsOfChunk(tokens, next.firstPosition),
        };
        expect(new StepPredictor(model).predictUs(after)).toBeLessThanOrEqual(target * 1_000);
      }),
      { numRuns: 300 },
    );
  });
});
