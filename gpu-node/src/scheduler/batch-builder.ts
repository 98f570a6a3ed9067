// Owns what goes into a step: every decode, then chunks of running prefills, then new requests, within a budget of
// tokens. Whether a new request fits is the caller's. Invariants: decodes are never left out; prefill tokens stay
// within max(minimum share, budget - decodes); at most one chunk is truncated, and it is the last row.
import { assert } from "@fairlane/base";
import type { RunningRequest } from "../request/request.ts";
import type { Batch } from "./batch.ts";

export interface BatchOptions {
  /** In the order of joining. */
  readonly running: readonly RunningRequest[];
  readonly stepBudgetTokens: number;
  /** Prefill tokens that fit whatever the decodes take. */
  readonly prefillShareMinTokens: number;
  /** Joins the next waiting request to the running set; null when none waits or the next one does not fit. */
  readonly joinNext: () => RunningRequest | null;
}

/** Fills an empty batch. [Sarathi-Serve] Alg. 3: decodes first, then running prefills, then new requests. */
export function buildBatch(batch: Batch, options: BatchOptions): void {
  assert(batch.rowCount === 0, `the batch has ${batch.rowCount} rows already`);
  for (const request of options.running) {
    if (isDecodable(request)) batch.addDecode(request);
  }
  // Departs from [Sarathi-Serve]: without a minimum share, decodes that fill the budget would starve prefills.
  const prefillBudgetTokens = Math.max(
    options.prefillShareMinTokens,
    options.stepBudgetTokens - batch.decodeCount,
  );
  for (const request of options.running) {
    if (isPrefillable(request)) addChunk(batch, request, prefillBudgetTokens);
  }
  while (batch.prefillTokenCount < prefillBudgetTokens) {
    const joined = options.joinNext();
    if (joined === null) return;
    addChunk(batch, joined, prefillBudgetTokens);
  }
}

/**
 * The prompt is computed or in flight, and one token more is wanted than steps in flight will have sampled. Whether
 * one of those is a stop token is not known yet: such a row is discarded.
 */
function isDecodable(request: RunningRequest): boolean {
  return (
    request.plannedOutputTokens > 0 &&
    request.plannedOutputTokens < request.outputTokensMax &&
    !request.isCancelRequested
  );
}

function isPrefillable(request: RunningRequest): boolean {
  return (
    request.plannedPromptTokens < request.spec.promptTokens.length && !request.isCancelRequested
  );
}

function addChunk(batch: Batch, request: RunningRequest, prefillBudgetTokens: number): void {
  const leftOfPrompt = request.spec.promptTokens.length - request.plannedPromptTokens;
  const leftOfBudget = prefillBudgetTokens - batch.prefillTokenCount;
  const tokenCount = Math.min(leftOfPrompt, leftOfBudget);
  if (tokenCount > 0) batch.addChunk(request, tokenCount);
}
