// Owns what goes into a step: every decode, then per tier chunks of running prefills and new requests, within the
// step's budget. How large a chunk may be is the budget's, whether a new request fits the caller's. Invariants: decodes
// are never left out; at most one chunk is truncated, and it is the last row.
import { assert } from "@fairlane/base";
import type { RunningRequest } from "../request/request.ts";
import { hasOutputLeft } from "../request/stop-condition.ts";
import type { Batch } from "./batch.ts";
import type { StepBudget } from "./step-budget.ts";
import type { Tier } from "./tier-turns.ts";

export interface BatchOptions {
  /** In the order of joining. */
  readonly running: readonly RunningRequest[];
  readonly budget: StepBudget;
  readonly tierOrder: readonly Tier[];
  /** False for an answer under a grammar whose next mask is not ready; such a row comes a step later. */
  readonly hasMask: (request: RunningRequest) => boolean;
  /**
   * Joins the next waiting request of a tier to the running set; null when none waits, the next one does not fit, or
   * one of a tier before it waits. `hasRoomFor` says whether the step has room for a first chunk that begins where the
   * cached part of the prompt ends.
   */
  readonly joinNext: (
    tier: Tier,
    hasRoomFor: (rest: PromptRest) => boolean,
  ) => RunningRequest | null;
  /** Whether the step's plan has room for what a running request brings with its first row; takes that room. */
  readonly mayBegin: (request: RunningRequest) => boolean;
}

/** What of a prompt is left to compute. */
export interface PromptRest {
  readonly firstPosition: number;
  readonly leftTokens: number;
}

/** A prompt's first chunk as long as a prompt may be: is there room for any of it? */
const ANY_PROMPT = { firstPosition: 0, leftTokens: Number.MAX_SAFE_INTEGER };

/** Fills an empty batch. [Sarathi-Serve] Alg. 3: decodes first, then running prefills, then new requests. */
export function buildBatch(batch: Batch, options: BatchOptions): void {
  assert(batch.rowCount === 0, `the batch has ${batch.rowCount} rows already`);
  const { running } = options;
  // Not for-of: its iterator costs an object a request until the loop is optimised.
  for (let index = 0; index < running.length; index++) {
    const request = running[index];
    if (request !== undefined && isDecodable(request) && options.hasMask(request))
      batch.addDecode(request);
  }
  for (const tier of options.tierOrder) {
    if (!addPrefills(batch, options, tier)) return;
  }
}

/** Adds the prefills of a tier; false when the step is full. */
function addPrefills(batch: Batch, options: BatchOptions, tier: Tier): boolean {
  const { running, budget, joinNext } = options;
  // Requests that join are appended, and have their chunk already.
  const runningCount = running.length;
  for (let index = 0; index < runningCount; index++) {
    const request = running[index];
    if (request?.spec.tier !== tier || !isPrefillable(request)) continue;
    // Only a fork joins before its first row.
    if (hasNoRow(request) && !options.mayBegin(request)) continue;
    if (!addChunk(batch, request, budget)) return false;
  }
  const hasRoomFor = (rest: PromptRest): boolean => budget.chunkTokens(batch.shape, rest) > 0;
  while (hasRoomFor(ANY_PROMPT)) {
    const joined = joinNext(tier, hasRoomFor);
    if (joined === null) return true;
    if (!addChunk(batch, joined, budget)) return false;
  }
  return false;
}

/** Adds as much of the prefill as may be; false when that is not all of it. */
function addChunk(batch: Batch, request: RunningRequest, budget: StepBudget): boolean {
  const firstPosition = request.plannedPrefillTokens;
  const leftTokens = request.prefillTokens.length - firstPosition;
  const tokens = budget.chunkTokens(batch.shape, { firstPosition, leftTokens });
  if (tokens > 0) batch.addChunk(request, tokens);
  return tokens === leftTokens;
}

/**
 * The prefill is computed or in flight, and one token more is wanted than steps in flight will have sampled. Whether
 * one of those is a stop token is not known yet: such a row is discarded.
 */
export function isDecodable(request: RunningRequest): boolean {
  return (
    request.plannedPrefillTokens === request.prefillTokens.length &&
    hasOutputLeft(request, request.plannedOutputTokens) &&
    hasItsMask(request) &&
    !request.isCancelRequested
  );
}

/** Under a grammar, what may come next is known once the token before it has been settled. */
function hasItsMask(request: RunningRequest): boolean {
  return request.spec.grammar === undefined || request.plannedOutputTokens === request.outputTokens;
}

/** Some of the prefill is in no step yet, and all before it is computed or in one. */
export function isPrefillable(request: RunningRequest): boolean {
  return (
    request.plannedPrefillTokens < request.prefillTokens.length &&
    !request.isCancelRequested &&
    hasItsPrompt(request)
  );
}

function hasNoRow({ plannedPrefillTokens, startPosition }: RunningRequest): boolean {
  return plannedPrefillTokens === startPosition;
}

/** False for a fork that waits for its prompt, which another request computes. */
function hasItsPrompt({ forkOf }: RunningRequest): boolean {
  // With the first output the whole prompt was computed.
  return forkOf === null || forkOf.outputTokens > 0;
}
