import { describe, expect, it } from "vitest";
import type { StepCostModel } from "./step-cost-model.ts";
import { StepPredictor } from "./step-predictor.ts";

const MODEL: StepCostModel = {
  floorUs: 1_000,
  baseUs: 0,
  tokenUs: 100,
  kneeTokens: 0,
  kneeUs: 0,
  decodeUs: 0,
  contextUs: 0,
  pairUs: 0,
};
const SHAPE = { tokens: 20, decodes: 0, decodeContextTokens: 0, chunkPairs: 0 };

describe("StepPredictor", () => {
  it("follows a lasting slow-down", () => {
    const predictor = new StepPredictor(MODEL);
    expect(predictor.predictUs(SHAPE)).toBe(2_000);
    for (let step = 0; step < 100; step++) predictor.observe(SHAPE, 3_000);
    expect(predictor.predictUs(SHAPE)).toBeGreaterThan(2_980);
    expect(predictor.predictUs(SHAPE)).toBeLessThan(3_000);
  });

  it("is moved little by one hung step, and not by a step without a time", () => {
    const predictor = new StepPredictor(MODEL);
    predictor.observe(SHAPE, 60_000_000);
    predictor.observe(SHAPE, 0);
    expect(predictor.correction).toBeCloseTo(1.15, 9);
  });
});
