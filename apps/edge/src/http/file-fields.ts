// Owns the bodies and queries of the routes of files, uploads and batches.
import { BATCH_ENDPOINTS, protocolLimits } from "@fairlane/protocol";
import { z } from "zod";
import { expiresAfter } from "../files/expiry.ts";
import {
  BATCHES_PAGE_ENTRIES_DEFAULT,
  BATCHES_PAGE_ENTRIES_MAX,
  METADATA_CHARS_MAX,
  FILES_PAGE_ENTRIES_DEFAULT,
  FILES_PAGE_ENTRIES_MAX,
  UPLOAD_PIECES_MAX,
  UPLOADED_FILE_BYTES_MAX,
} from "../limits.ts";

/** Query of the list. */
export const fileQuery = z.object({
  purpose: z.enum(["batch", "batch_output"]).optional(),
  after: z.string().max(protocolLimits.NAME_CHARS_MAX).optional(),
  order: z.enum(["asc", "desc"]).default("desc"),
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(FILES_PAGE_ENTRIES_MAX)
    .default(FILES_PAGE_ENTRIES_DEFAULT),
});

const name = z.string().min(1).max(protocolLimits.NAME_CHARS_MAX);

/** Body of a new upload. */
export const newUpload = z.strictObject({
  bytes: z.int().min(1).max(UPLOADED_FILE_BYTES_MAX),
  filename: name,
  mime_type: name,
  purpose: z.literal("batch"),
  expires_after: expiresAfter.nullish(),
});

/** Body that completes an upload: the parts in their order. */
export const completedUpload = z.strictObject({
  part_ids: z.array(name).min(1).max(UPLOAD_PIECES_MAX),
});

/** Body of a new batch. */
export const newBatch = z.strictObject({
  input_file_id: name,
  endpoint: z.enum(BATCH_ENDPOINTS),
  completion_window: z.literal("24h"),
  metadata: z
    .record(name, z.string().max(METADATA_CHARS_MAX))
    .refine(
      (entries) => Object.keys(entries).length <= protocolLimits.METADATA_ENTRIES_MAX,
      `expected at most ${protocolLimits.METADATA_ENTRIES_MAX} entries`,
    )
    .nullish(),
  output_expires_after: expiresAfter.nullish(),
});

/** Query of the list of batches. */
export const batchQuery = z.object({
  after: name.optional(),
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(BATCHES_PAGE_ENTRIES_MAX)
    .default(BATCHES_PAGE_ENTRIES_DEFAULT),
});
