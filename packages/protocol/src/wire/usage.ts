// Owns the only accounting frames: usage records pushed by the node until they are acknowledged. Within
// (node, epoch, tenant) `seq` starts at 1 and has no gap; counts are cumulative per request and attempt.
import { z } from "zod";
import { NAME_CHARS_MAX, USAGE_RECORDS_MAX } from "../limits.ts";

const id = z.string().min(1).max(NAME_CHARS_MAX);
const count = z.int().nonnegative();

export const usageRecord = z.object({
  tenant_id: id,
  seq: z.int().positive(),
  request_id: id,
  attempt: z.int().positive(),
  project_id: id,
  key_id: id,
  model: id,
  price_version: id,
  /** False for a record of a request that goes on; the final one closes the attempt. */
  final: z.boolean(),
  /** `node_lost`: the node died while the request ran; counts are those of its journal. */
  finish_reason: z.enum(["stop", "length", "cancelled", "error", "node_lost"]),
  prompt_tokens: count,
  /** Prompt tokens taken from a cache instead of computed. */
  cached_tokens: count,
  /** Prompt tokens that were really computed (fewer than asked when the request ended early). */
  computed_prompt_tokens: count,
  /** Output tokens sampled, delivered or not. */
  output_tokens: count,
  received_at_ms: count,
  /** Milliseconds from receipt to the first scheduled chunk; equals the whole life if never scheduled. */
  queue_ms: count,
  /** Milliseconds from receipt to the first output token; null when there was none. */
  ttft_ms: count.nullable(),
  ended_at_ms: count,
});

export const usageFrame = z.object({
  type: z.literal("usage"),
  node_id: id,
  /** The epoch that wrote the records: an earlier one than the link's after a crash. */
  epoch: z.int().positive(),
  records: z.array(usageRecord).min(1).max(USAGE_RECORDS_MAX),
  /**
   * Up to which `seq` a hub has acknowledged this epoch's records, of the tenants in `records` that have any. A hub that
   * has lost its state goes on from there.
   */
  acked: z
    .array(z.object({ tenant_id: id, seq: z.int().positive() }))
    .max(USAGE_RECORDS_MAX)
    .optional(),
});

export const ackFrame = z.object({
  type: z.literal("ack"),
  epoch: z.int().positive(),
  /** Everything up to and with `seq` of the tenant is durable at the hub. */
  watermarks: z.array(z.object({ tenant_id: id, seq: z.int().positive() })).min(1),
});

export type UsageRecord = z.infer<typeof usageRecord>;
export type UsageFrame = z.infer<typeof usageFrame>;
export type AckFrame = z.infer<typeof ackFrame>;
