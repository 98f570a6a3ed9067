// Owns the machine of the paper's experiments in virtual time: an A10G with Llama-2-7B and a pool of 10,000 tokens.
// Its step time is a line through the profile that the paper's authors published with their code. For a step that mixes
// decodes and prompt chunks:
//   16.3 ms + 0.2131 ms * prompt tokens + 0.245 ms * decodes + 0.00202 ms * positions that the decodes read
// A chunk rides on the pass that the decodes need anyway, so the 35.8 ms that the profile gives a prefill of its own are
// not paid: without decodes a step has the same base as with them.
import type { StepCostModel } from "../../../gpu-node/src/scheduler/step-cost-model.ts";

/** The cost model counts decodes among the tokens as well, so their price there is taken off again. */
const PROMPT_TOKEN_US = 213.1;
const DECODE_US = 245;

export const A10G: StepCostModel = {
  floorUs: 0,
  baseUs: 16_300,
  tokenUs: PROMPT_TOKEN_US,
  kneeTokens: Number.MAX_SAFE_INTEGER,
  kneeUs: 0,
  decodeUs: DECODE_US - PROMPT_TOKEN_US,
  contextUs: 2.02,
  pairUs: 0,
};

export const POOL_TOKENS = 10_000;
/** More than ever fit the pool together in any suite. */
export const SLOT_COUNT = 192;
/** A full step of prompt alone takes 125 ms. */
export const STEP_BUDGET_TOKENS = 512;
/** U of the linear cost in tokens: w_q * M. */
export const BOUND_TOKENS = 2 * POOL_TOKENS;
