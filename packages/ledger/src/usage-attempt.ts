// Owns what is known of one attempt of a request from its usage records. Counts are cumulative, so the newest
// record says everything and a repeated one changes nothing; the final record closes the attempt.
// Invariant: counts never fall, and nothing follows the final record.
import { err, ok, type Result } from "@fairlane/base";
import type { UsageRecord } from "@fairlane/protocol";
import { RECORD_TOKENS_MAX } from "./limits.ts";

/** Why a record does not continue its attempt. */
export type AttemptFault = "already_final" | "counts_shrink" | "counts_invalid";

/** An attempt as its records have told it so far. */
export interface UsageAttempt {
  readonly final: boolean;
  /** Prompt tokens that were really computed. */
  readonly computedPromptTokens: number;
  /** Prompt tokens taken from a cache. */
  readonly cachedTokens: number;
  readonly outputTokens: number;
}

/** The attempt after one more record; `known` is undefined before its first. */
export function applyRecord(
  known: UsageAttempt | undefined,
  record: UsageRecord,
): Result<UsageAttempt, AttemptFault> {
  if (known?.final === true) return err("already_final");
  if (!hasSoundCounts(record)) return err("counts_invalid");
  if (known !== undefined && shrinks(known, record)) return err("counts_shrink");
  return ok({
    final: record.final,
    computedPromptTokens: record.computed_prompt_tokens,
    cachedTokens: record.cached_tokens,
    outputTokens: record.output_tokens,
  });
}

function shrinks(known: UsageAttempt, record: UsageRecord): boolean {
  return (
    record.computed_prompt_tokens < known.computedPromptTokens ||
    record.cached_tokens < known.cachedTokens ||
    record.output_tokens < known.outputTokens
  );
}

// Computed tokens may pass the prompt's: a preempted request is computed again, at nobody's cost.
function hasSoundCounts(record: UsageRecord): boolean {
  const counts = [record.prompt_tokens, record.computed_prompt_tokens, record.output_tokens];
  const inRange = counts.every(
    (count) => Number.isSafeInteger(count) && count >= 0 && count <= RECORD_TOKENS_MAX,
  );
  const { cached_tokens: cached, prompt_tokens: prompt } = record;
  return inRange && Number.isSafeInteger(cached) && cached >= 0 && cached <= prompt;
}
