// Owns what the link says of adapters: which one a request runs with, and where a node has which.
import { z } from "zod";
import { ADAPTER_BYTES_MAX, HEARTBEAT_ADAPTERS_MAX, NAME_CHARS_MAX } from "../limits.ts";

const digest = z.string().regex(/^[0-9a-f]{64}$/);

export const submitAdapter = z.object({
  /** `owner/name@version`, for people: in answers and logs, in no key. */
  name: z.string().min(1).max(NAME_CHARS_MAX),
  /** Of its content; caches, files and pages go by it. */
  digest,
  /** Of the weights' file. */
  bytes: z.int().positive().max(ADAPTER_BYTES_MAX),
  /** Where the hub has its files: `<tenant>/<version id>`. A node hands it back when it pulls. */
  source: z.string().regex(/^[a-z0-9_]{1,64}\/[a-z0-9_]{1,64}$/),
  /** Its owner wants it kept near: other adapters make room first. */
  pinned: z.boolean().optional(),
});

/** The whole of what a node has, up to the bound; those on the device first. */
export const adapterTiers = z
  .array(z.object({ digest, tier: z.enum(["device", "host", "disk"]) }))
  .max(HEARTBEAT_ADAPTERS_MAX);

export type SubmitAdapter = z.infer<typeof submitAdapter>;
export type AdapterTier = z.infer<typeof adapterTiers>[number]["tier"];
