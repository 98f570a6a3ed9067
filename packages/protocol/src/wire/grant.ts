// Owns the frame that lets running requests of hard budgets compute more output.
import { z } from "zod";
import { NAME_CHARS_MAX, SUBMIT_REQUESTS_MAX } from "../limits.ts";

export const grantFrame = z.object({
  type: z.literal("grant"),
  grants: z
    .array(
      z.object({
        id: z.string().min(1).max(NAME_CHARS_MAX),
        /** Output tokens of each answer in all; a smaller number than before changes nothing. */
        output_tokens: z.int().positive(),
        /** As of submit: the newest word counts, so one without it ends what waits. */
        may_grow: z.literal(true).optional(),
      }),
    )
    .min(1)
    .max(SUBMIT_REQUESTS_MAX),
});

export type GrantFrame = z.infer<typeof grantFrame>;
