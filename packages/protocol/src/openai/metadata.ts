// Owns the schema of what a client notes beside a request; nothing of it is read.
import { z } from "zod";
import { METADATA_ENTRIES_MAX } from "../limits.ts";

export const metadata = z
  .record(z.string().max(64), z.string().max(512))
  .refine((entries) => Object.keys(entries).length <= METADATA_ENTRIES_MAX, {
    message: `at most ${METADATA_ENTRIES_MAX} entries`,
  });
