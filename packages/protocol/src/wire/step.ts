// Owns the one frame per engine step that carries the new tokens of all live requests.
import { z } from "zod";
import { NAME_CHARS_MAX, STEP_DELTAS_MAX } from "../limits.ts";
import { tokenLogprobs } from "../openai/logprobs.ts";

export const stepFrame = z.object({
  type: z.literal("step"),
  step: z.int().nonnegative(),
  deltas: z
    .array(
      z.object({
        id: z.string().min(1).max(NAME_CHARS_MAX),
        /** Index of the first token of this delta among the request's output tokens, from 0. */
        from: z.int().nonnegative(),
        /** Output tokens in this delta; their text may be empty while a character is incomplete. */
        n: z.int().positive(),
        text: z.string(),
        /** Of the tokens whose text this delta completes; only for requests that asked. */
        logprobs: tokenLogprobs.optional(),
      }),
    )
    .max(STEP_DELTAS_MAX),
});

export type StepFrame = z.infer<typeof stepFrame>;
