// Owns the node's word on a submitted request: accepted with its prompt's size, or refused with an error that
// becomes the HTTP answer. The client's status line waits for one of the two.
import { z } from "zod";
import { NAME_CHARS_MAX } from "../limits.ts";

const id = z.string().min(1).max(NAME_CHARS_MAX);

export const acceptFrame = z.object({
  type: z.literal("accept"),
  id,
  /** The model that answers; the request may have named none. */
  model: id,
  prompt_tokens: z.int().nonnegative(),
});

export const refuseFrame = z.object({
  type: z.literal("refuse"),
  id,
  /** HTTP status of the code, for readers of the wire; the code decides. */
  status: z.int().min(400).max(599),
  code: z.string().max(NAME_CHARS_MAX),
  message: z.string().max(4_096),
  param: z.string().max(NAME_CHARS_MAX).nullable(),
});

export type AcceptFrame = z.infer<typeof acceptFrame>;
export type RefuseFrame = z.infer<typeof refuseFrame>;
