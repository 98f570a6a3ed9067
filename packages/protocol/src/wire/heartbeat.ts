// Owns the node's sign of life with its load; the hub routes by it and drops links that stop sending it.
import { z } from "zod";
import { HEARTBEAT_PREFIXES_MAX } from "../limits.ts";
import { adapterTiers } from "./adapter.ts";
import { cellReport } from "./fair-share.ts";

const count = z.int().nonnegative();

export const heartbeatFrame = z.object({
  type: z.literal("heartbeat"),
  sent_at_ms: count,
  load: z.object({
    running: count,
    waiting: count,
    pages_free: count,
    pages_total: count,
    /** Prompt tokens that wait to be computed. */
    queued_tokens: count.optional(),
    /** Prompt tokens a second that it computes, as measured; absent: not yet. */
    prefill_tokens_per_s: count.optional(),
  }),
  /** True once the node takes nothing new. */
  draining: z.boolean(),
  /** On shard 0 only. */
  service: cellReport.optional(),
  /** Where the node has which adapter; absent: as the link was told last. */
  adapters: adapterTiers.optional(),
  /** Beginnings of prompts that its cache may have, newest first (prefix-digest.ts); absent: as the link was told last. */
  prefixes: z
    .array(z.string().regex(/^[0-9a-f]{16}$/))
    .max(HEARTBEAT_PREFIXES_MAX)
    .optional(),
});

export type HeartbeatFrame = z.infer<typeof heartbeatFrame>;
