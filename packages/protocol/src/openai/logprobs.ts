// Owns the shape of log-probabilities: OpenAI's entry of one output token, which is the wire's as well. Values are
// those of the model's unmodified distribution.
import { z } from "zod";
import { STEP_LOGPROBS_MAX, TOKEN_BYTES_MAX, TOP_LOGPROBS_MAX } from "../limits.ts";

const tokenFields = {
  /** The token's text; bytes that are no UTF-8 of their own become U+FFFD. */
  token: z.string().max(TOKEN_BYTES_MAX),
  logprob: z.number(),
  bytes: z.array(z.int().min(0).max(255)).max(TOKEN_BYTES_MAX),
};

export const tokenLogprob = z.object({
  ...tokenFields,
  /** The likeliest tokens in its place, likeliest first. */
  top_logprobs: z.array(z.object(tokenFields)).max(TOP_LOGPROBS_MAX),
});

/** Entries of one delta of a step. */
export const tokenLogprobs = z.array(tokenLogprob).max(STEP_LOGPROBS_MAX);

export type TokenLogprob = z.infer<typeof tokenLogprob>;

/** What a choice says of its tokens: null when nothing was asked for. */
export function choiceLogprobs(content: readonly TokenLogprob[] | undefined) {
  return content === undefined ? null : { content, refusal: null };
}
