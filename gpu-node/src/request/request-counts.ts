// Owns what a request's counts say: prompt tokens cached and computed, output tokens, and what was recomputed after a
// preemption, each position once. Invariant: what is computed a second time is recomputed, and nothing else.
import type { RequestCounts } from "../engine/worker-messages.ts";
import type { Request, RunningRequest } from "./request.ts";

/** Counts a computed chunk of prefillTokens: what was known already is recomputed. */
export function countChunk(
  request: RunningRequest,
  chunk: { readonly firstPosition: number; readonly tokenCount: number },
): void {
  const { knownPositions, spec } = request;
  const { firstPosition } = chunk;
  const end = firstPosition + chunk.tokenCount;
  request.recomputedTokens += Math.max(0, Math.min(end, knownPositions) - firstPosition);
  const promptEnd = Math.min(end, spec.promptTokens.length);
  // The last output before a preemption is computed as a decode would: it is counted with the token sampled after it.
  request.computedPromptTokens += Math.max(0, promptEnd - Math.max(firstPosition, knownPositions));
}

/** Positions that were cached or computed for the request; the last output has not been an input yet. */
export function knownPositionsOf(request: RunningRequest): number {
  const { cachedTokens, computedPromptTokens, outputTokens, spec } = request;
  return outputTokens === 0
    ? cachedTokens + computedPromptTokens
    : spec.promptTokens.length + outputTokens - 1;
}

/** Positions, from 0 on, whose states the request's pages hold, when no row of it is in flight. */
export function heldPositionsOf(request: RunningRequest): number {
  const { plannedPrefillTokens, prefillTokens, outputTokens, spec } = request;
  // While a preempted request computes again, that is less than what was known of it once.
  if (plannedPrefillTokens < prefillTokens.length) return plannedPrefillTokens;
  return Math.max(prefillTokens.length, spec.promptTokens.length + outputTokens - 1);
}

/** What was computed for the request so far. */
export function countsOf(request: Request): RequestCounts {
  const promptTokens = request.spec.promptTokens.length;
  switch (request.state) {
    case "queued":
      return { promptTokens, cachedTokens: 0, computedPromptTokens: 0, outputTokens: 0 };
    case "preempted":
    case "prefilling":
    case "decoding": {
      const { cachedTokens, computedPromptTokens, outputTokens, recomputedTokens } = request;
      const counts = { promptTokens, cachedTokens, computedPromptTokens, outputTokens };
      return recomputedTokens === 0 ? counts : { ...counts, recomputedTokens };
    }
    case "finished":
    case "aborted":
      return request.counts;
  }
}
