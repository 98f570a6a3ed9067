// Owns the node's sign of life with its load; the hub routes by it and drops links that stop sending it.
import { z } from "zod";
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
  }),
  /** True once the node takes nothing new. */
  draining: z.boolean(),
  /** On shard 0 only. */
  service: cellReport.optional(),
  /** Where the node has which adapter; absent: as the link was told last. */
  adapters: adapterTiers.optional(),
});

export type HeartbeatFrame = z.infer<typeof heartbeatFrame>;
