// Owns the table of adapters' versions. A version that is ready never changes; one that is still being uploaded has no
// digest. The files are in the bucket of artifacts, under the version's id.
import { integer, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";
import { adapters } from "./adapters.ts";

export const adapterVersions = sqliteTable(
  "adapter_versions",
  {
    id: text("id").primaryKey(),
    adapterId: text("adapter_id")
      .notNull()
      .references(() => adapters.id),
    version: integer("version").notNull(),
    /** adapter_config.json, as JSON text. */
    config: text("config").notNull(),
    /** Of the weights. */
    weightsBytes: integer("weights_bytes").notNull(),
    /** Of each part but the last; null for an upload in one piece. */
    partBytes: integer("part_bytes"),
    /** The bucket's name for the upload in parts. */
    uploadId: text("upload_id"),
    /** Null until the content is there and has been checked. */
    digest: text("digest"),
    createdAtMs: integer("created_at_ms").notNull(),
  },
  (table) => [uniqueIndex("adapter_versions_by_number").on(table.adapterId, table.version)],
);
