// Owns the frame that ends a request on the link. It informs the client; the usage frame does the accounting.
import { z } from "zod";
import {
  EMBEDDING_CHARS_MAX,
  EMBEDDING_INPUTS_MAX,
  NAME_CHARS_MAX,
  STOP_CHARS_MAX,
} from "../limits.ts";

export const doneFrame = z.object({
  type: z.literal("done"),
  id: z.string().min(1).max(NAME_CHARS_MAX),
  /** `cancelled` answers a cancel; `error` comes with the error below. */
  finish_reason: z.enum(["stop", "length", "cancelled", "error"]),
  usage: z.object({
    prompt_tokens: z.int().nonnegative(),
    cached_tokens: z.int().nonnegative(),
    completion_tokens: z.int().nonnegative(),
  }),
  /** Of an embeddings request that ended by itself: base64 of little-endian f32, in the order of the inputs. */
  embeddings: z.array(z.string().max(EMBEDDING_CHARS_MAX)).max(EMBEDDING_INPUTS_MAX).optional(),
  /** The stop string of the request that ended it; in no text. */
  stop_string: z.string().max(STOP_CHARS_MAX).optional(),
  error: z
    .object({ code: z.string().max(NAME_CHARS_MAX), message: z.string().max(4_096) })
    .nullable(),
});

export type DoneFrame = z.infer<typeof doneFrame>;
