// Owns the one frame per engine step that carries the new tokens of all live requests.
import { z } from "zod";
import { CHOICES_MAX, NAME_CHARS_MAX, STEP_DELTAS_MAX } from "../limits.ts";
import { tokenLogprobs } from "../openai/logprobs.ts";
import { toolCallDeltas } from "../openai/tool-call-delta.ts";

const id = z.string().min(1).max(NAME_CHARS_MAX);
const choice = z
  .int()
  .min(0)
  .max(CHOICES_MAX - 1);

export const stepFrame = z.object({
  type: z.literal("step"),
  step: z.int().nonnegative(),
  deltas: z
    .array(
      z.object({
        id,
        /** Which of several answers it belongs to; absent: the only one, or the first. */
        choice: choice.optional(),
        /** Index of the first token of this delta among the answer's output tokens, from 0. */
        from: z.int().nonnegative(),
        /** Output tokens in this delta; their text may be empty while a character is incomplete. */
        n: z.int().positive(),
        text: z.string(),
        /** Of the tokens whose text this delta completes; only for requests that asked. */
        logprobs: tokenLogprobs.optional(),
        /** What the model thought before its answer; in no text. */
        reasoning: z.string().optional(),
        /** Pieces of tool calls; in no text. */
        calls: toolCallDeltas.optional(),
      }),
    )
    .max(STEP_DELTAS_MAX),
  /** Answers of requests with several that are complete with this step; `done` follows the last. */
  ends: z
    .array(z.object({ id, choice, finish_reason: z.enum(["stop", "length"]) }))
    .max(STEP_DELTAS_MAX)
    .optional(),
});

export type StepFrame = z.infer<typeof stepFrame>;
