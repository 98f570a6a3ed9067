// Owns the reading of log-probabilities out of a step's result, for the requests that asked. The result has been
// checked. Invariant: a progress has as many of them as new tokens.
import { assert } from "@fairlane/base";
import { TOP_LOGPROBS_MAX, type ResultViews } from "./step-layout.ts";
import type { RequestProgress, SampledLogprob } from "./worker-messages.ts";

/** The progress of a row, with log-probabilities when the request asked for them. */
export function withLogprobs(
  progress: RequestProgress,
  asked: number | undefined,
  sample: { readonly result: ResultViews; readonly row: number },
): RequestProgress {
  // A stop token is not listed and has none.
  if (asked === undefined || progress.newTokens.length === 0) return progress;
  return { ...progress, logprobs: [sampledLogprob(sample.result, sample.row)] };
}

/** The log-probabilities of the token that a sampled row produced. */
export function sampledLogprob(result: ResultViews, row: number): SampledLogprob {
  const offset = result.result_offset[row] ?? -1;
  const logprob = result.result_logprob[offset];
  const topCount = result.result_n_top[offset];
  assert(logprob !== undefined && topCount !== undefined, `row ${row} has no token`);
  assert(topCount >= 0 && topCount <= TOP_LOGPROBS_MAX, `row ${row} has ${topCount} likeliest`);
  const first = offset * TOP_LOGPROBS_MAX;
  const top = Array.from({ length: topCount }, (_, index) => ({
    token: result.result_top_token[first + index] ?? 0,
    logprob: result.result_top_logprob[first + index] ?? 0,
  }));
  return { logprob, top };
}
