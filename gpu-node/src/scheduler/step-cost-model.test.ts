import { describe, expect, it } from "vitest";
import {
  fitStepCost,
  pairsOfChunk,
  predictStepUs,
  type StepCostModel,
  type StepShape,
} from "./step-cost-model.ts";

/** Yi-34B on two A100, as fitted to the published tables of Sarathi-Serve. */
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

const NONE: StepShape = { tokens: 0, decodes: 0, decodeContextTokens: 0, chunkPairs: 0 };

function chunk(tokens: number, firstPosition: number): StepShape {
  return { ...NONE, tokens, chunkPairs: pairsOfChunk(tokens, firstPosition) };
}

/** Shapes as a profile measures them: chunks over contexts, decodes over contexts. */
function profileShapes(): StepShape[] {
  const chunks = [1, 16, 64, 256, 512].flatMap((tokens) => [
    chunk(tokens, 0),
    chunk(tokens, 2_048),
  ]);
  const decodes = [1, 4, 16, 64].flatMap((count) =>
    [16, 1_024].map((context) => ({
      ...NONE,
      tokens: count,
      decodes: count,
      decodeContextTokens: count * context,
    })),
  );
  return [...chunks, ...decodes];
}

describe("predictStepUs", () => {
  it("adds floor, knee, decodes and attention", () => {
    expect(predictStepUs(YI_34B, { ...NONE, tokens: 4 })).toBe(42_000);
    expect(predictStepUs(YI_34B, { ...NONE, tokens: 5 })).toBe(48_000);
    expect(predictStepUs(YI_34B, { ...NONE, tokens: 1_000 })).toBe(174_000);
    const decodes = { tokens: 32, decodes: 32, decodeContextTokens: 32 * 4_096, chunkPairs: 0 };
    expect(predictStepUs(YI_34B, decodes)).toBeCloseTo(66_196.48, 2);
    expect(predictStepUs(YI_34B, chunk(512, 4_096))).toBeCloseTo(102_265.83, 2);
  });
});

describe("fitStepCost", () => {
  it("finds the model that made the samples, floor included", () => {
    const truth = { ...YI_34B, kneeTokens: 0, kneeUs: 0, floorUs: 50_000, baseUs: 39_248 };
    const samples = profileShapes().map((shape) => ({ ...shape, us: predictStepUs(truth, shape) }));
    const { model, errorPct } = fitStepCost(samples);
    expect(errorPct).toBeLessThan(0.001);
    for (const field of ["floorUs", "baseUs", "tokenUs", "decodeUs"] as const) {
      expect(model[field] / truth[field]).toBeCloseTo(1, 4);
    }
    expect(model.contextUs).toBeCloseTo(0.09, 5);
    expect(model.pairUs).toBeCloseTo(0.0046, 6);
  });

  it("stays near under noise, and never predicts less time for more work", () => {
    const noise = (index: number): number => 1 + 0.05 * Math.sin(index * 12.9898);
    const samples = profileShapes().map((shape, index) => ({
      ...shape,
      us: predictStepUs(YI_34B, shape) * noise(index),
    }));
    const { model, errorPct } = fitStepCost(samples);
    expect(errorPct).toBeLessThan(10);
    const { baseUs: _, ...others } = model;
    for (const value of Object.values(others)) expect(value).toBeGreaterThanOrEqual(0);
    expect(predictStepUs(model, chunk(512, 0)) / predictStepUs(YI_34B, chunk(512, 0))).toBeCloseTo(
      1,
      0,
    );
  });

  it("is not led astray by steps of busy moments", () => {
    const truth = { ...YI_34B, kneeTokens: 0, kneeUs: 0 };
    const samples = profileShapes().map((shape, index) => ({
      ...shape,
      us: predictStepUs(truth, shape) * (index % 9 === 4 ? 1.8 : 1),
    }));
    const { model } = fitStepCost(samples);
    for (const shape of profileShapes()) {
      const ratio = predictStepUs(model, shape) / predictStepUs(truth, shape);
      expect(Math.abs(ratio - 1)).toBeLessThan(0.03);
    }
  });

  it("gives no share to what the samples do not tell apart", () => {
    const samples = [1, 2, 4, 8, 16, 32].map((tokens) => ({
      ...NONE,
      tokens,
      us: 100 + 10 * tokens,
    }));
    const { model } = fitStepCost(samples);
    expect([model.decodeUs, model.contextUs, model.pairUs]).toEqual([0, 0, 0]);
    expect(predictStepUs(model, { ...NONE, tokens: 64 })).toBeCloseTo(740, 6);
  });

  it("asserts enough samples with a time", () => {
    expect(() => fitStepCost([])).toThrow("0 samples, needs 6");
    const samples = profileShapes().map((shape) => ({ ...shape, us: 0 }));
    expect(() => fitStepCost(samples)).toThrow("a step took no time");
  });
});
