// Owns the frames that join an answer to a link again: `resume` after a lost link, for a hub that still has the client;
// `attach` after a restart of the hub, for a client that comes back with the index of its last token. Offsets count the
// tokens of all of a request's answers, in the order in which they were sent.
import { z } from "zod";
import { ANSWER_FORM_CHARS_MAX, NAME_CHARS_MAX, STEP_DELTAS_MAX } from "../limits.ts";

const id = z.string().min(1).max(NAME_CHARS_MAX);

/** From the hub, right after `welcome`: what it wants to go on. The node cancels all else of this shard. */
export const resumeFrame = z.object({
  type: z.literal("resume"),
  requests: z
    .array(
      z.object({
        id,
        /** Output tokens that the hub has, over all answers. */
        from: z.int().nonnegative(),
        /** Its `accept` has not arrived and is to be sent again. */
        unaccepted: z.literal(true).optional(),
      }),
    )
    .max(STEP_DELTAS_MAX),
});

/** From the hub: who has this answer? It is sent again from its first token on. */
export const attachFrame = z.object({
  type: z.literal("attach"),
  id,
  /** Who asks; an answer to anybody else's request is not there. */
  tenant_id: id,
});

/** From the node: it has the answer, which follows. */
export const attachedFrame = z.object({
  type: z.literal("attached"),
  id,
  model: id,
  prompt_tokens: z.int().nonnegative(),
  /** As it came with the request. */
  form: z.string().max(ANSWER_FORM_CHARS_MAX),
  /** Output tokens of each answer that the node was granted last; absent: no such bound. */
  grant_tokens: z.int().positive().optional(),
});

export type ResumeFrame = z.infer<typeof resumeFrame>;
export type AttachFrame = z.infer<typeof attachFrame>;
export type AttachedFrame = z.infer<typeof attachedFrame>;
