// Owns the bodies and queries of the adapters' routes.
import { isAdapterName, peftConfigSchema, protocolLimits } from "@fairlane/protocol";
import { z } from "zod";
import { DIRECT_UPLOAD_BYTES_MAX, UPLOAD_PART_BYTES_MIN } from "../limits.ts";

/** Body of a new adapter. */
export const newAdapter = z.strictObject({
  name: z
    .string()
    .refine(
      isAdapterName,
      "expected 1 to 64 of a-z, 0-9, '.', '_', '-', a letter or digit at both ends",
    ),
  base_model: z
    .string()
    .min(1)
    .max(protocolLimits.NAME_CHARS_MAX)
    .refine((name) => !name.includes(":"), "expected the name of a base model"),
});

/** Body of a change. */
export const changedAdapter = z.strictObject({ pinned: z.boolean() });

/** Query of the list. */
export const adapterQuery = z.object({
  /** `own` (default), or `granted` for those of other tenants. */
  access: z.enum(["own", "granted"]).default("own"),
  /** Id of the last one of the page before. */
  after: z.string().max(protocolLimits.NAME_CHARS_MAX).default(""),
});

/** Body that announces a version. */
export const newAdapterVersion = z.strictObject({
  /** The content of adapter_config.json. */
  config: peftConfigSchema,
  /** Of adapter_model.safetensors. */
  bytes: z.int().min(1).max(protocolLimits.ADAPTER_BYTES_MAX),
  /** Send the weights in parts of this size; needed above what one body may have. */
  part_bytes: z.int().min(UPLOAD_PART_BYTES_MIN).max(DIRECT_UPLOAD_BYTES_MAX).optional(),
});
