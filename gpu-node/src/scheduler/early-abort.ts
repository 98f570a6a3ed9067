// Owns the prediction whether a request can still have its first token by its deadline; one that cannot is shed before
// any of it is computed. Predictions are the least that the work can take, so that nobody is shed who could be served
// in time on an engine that keeps to its cost model. Without a cost model only deadlines that have passed count.
import type { ErrorValue } from "@fairlane/protocol";
import type { EngineRequest } from "../engine/worker-messages.ts";
import { RETRY_AFTER_FULL_MS } from "../limits.ts";
import { pairsOfChunk } from "./step-cost-model.ts";
import type { StepPredictor } from "./step-predictor.ts";

/** The least time that the prompt's prefill takes: in one step, with nothing beside it. */
export function prefillMsMin(predictor: StepPredictor | null, promptTokens: number): number {
  if (predictor === null) return 0;
  const shape = {
    tokens: promptTokens,
    decodes: 0,
    decodeContextTokens: 0,
    chunkPairs: pairsOfChunk(promptTokens, 0),
  };
  return predictor.predictUs(shape) / 1_000;
}

/** The least time that prefills of so many tokens take together, whatever requests they are of. */
export function backlogMsMin(predictor: StepPredictor | null, promptTokens: number): number {
  if (predictor === null) return 0;
  return (predictor.model.tokenUs * predictor.correction * promptTokens) / 1_000;
}

/** The error of a new request whose first token is predicted after its deadline; null when it may be served in time. */
export function checkDeadline(
  { deadlineMs }: EngineRequest,
  prediction: { readonly nowMs: number; readonly waitMs: number; readonly prefillMs: number },
): ErrorValue | null {
  const { nowMs, waitMs, prefillMs } = prediction;
  if (nowMs + waitMs + prefillMs < deadlineMs) return null;
  const message =
    `The deadline is in ${Math.round(deadlineMs - nowMs)} ms; the first token would take at least ` +
    `${Math.round(waitMs + prefillMs)} ms here, ${Math.round(waitMs)} ms of it in the queue.`;
  return { code: "queue_timeout", message, param: null, retryAfterMs: RETRY_AFTER_FULL_MS };
}
