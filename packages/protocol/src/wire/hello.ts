// Owns the first two frames of a link: the node says who it is and what it serves, the hub says how many shards
// the region has and how often it wants to hear from the node.
import { z } from "zod";
import { HUB_SHARDS_MAX, NAME_CHARS_MAX, NODE_ENDPOINTS_MAX, NODE_MODELS_MAX } from "../limits.ts";

export const WIRE_VERSION = 1;

const name = z.string().min(1).max(NAME_CHARS_MAX);

export const helloFrame = z.object({
  type: z.literal("hello"),
  wire: z.literal(WIRE_VERSION),
  node_id: name,
  /** Grows with each boot of the node (its boot time in ms, or one more than the last one). */
  epoch: z.int().positive(),
  region: name,
  numerics_class: name,
  /** It keeps answers when a link is lost and takes `resume` and `attach`. */
  resumes: z.boolean().optional(),
  models: z
    .array(
      z.object({
        id: name,
        digest: name,
        created_seconds: z.int().nonnegative(),
        context_tokens: z.int().positive(),
        default_max_output_tokens: z.int().positive(),
        /** What it is served through besides "chat.completions", which is always one. */
        endpoints: z.array(name).max(NODE_ENDPOINTS_MAX).optional(),
      }),
    )
    .min(1)
    .max(NODE_MODELS_MAX),
});

export const welcomeFrame = z.object({
  type: z.literal("welcome"),
  wire: z.literal(WIRE_VERSION),
  region: name,
  shard: z.int().nonnegative(),
  shard_count: z.int().positive().max(HUB_SHARDS_MAX),
  /** The node sends a heartbeat this often; the hub drops a link that is silent for several. */
  heartbeat_ms: z.int().positive(),
  /** Names the hub's memory: with another one than before, only clients that come back can go on. */
  hub_boot: name.optional(),
  /** The hub takes several frames in one message, as a JSON array. */
  batches: z.boolean().optional(),
});

export type HelloFrame = z.infer<typeof helloFrame>;
export type WelcomeFrame = z.infer<typeof welcomeFrame>;
