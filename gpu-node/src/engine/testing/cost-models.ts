// Owns the cost models of machines that the papers measured, for tests and simulations of their results.
import type { StepCostModel } from "../../scheduler/step-cost-model.ts";

/**
 * Yi-34B on two A100 with tensor parallelism. The coefficients are our fit to the artifact's tables of
 * [Sarathi-Serve] Fig. 2 and 4; how a decode's time grows with its context is a choice, since the tables leave it out.
 */
export const YI_34B: StepCostModel = {
  floorUs: 42_000,
  baseUs: 0,
  tokenUs: 168,
  kneeTokens: 4,
  kneeUs: 6_000,
  decodeUs: 200,
  contextUs: 0.09,
  pairUs: 0.0046,
};
