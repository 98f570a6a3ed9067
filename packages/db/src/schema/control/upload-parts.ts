// Owns the table of what has arrived of uploads in parts; the rows go when the upload is complete or given up.
import { integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const uploadParts = sqliteTable(
  "upload_parts",
  {
    /** Id of what is uploaded: an adapter's version, a file. */
    objectId: text("object_id").notNull(),
    /** From 1. */
    partNumber: integer("part_number").notNull(),
    /** The bucket's name for the part's content. */
    etag: text("etag").notNull(),
  },
  (table) => [primaryKey({ columns: [table.objectId, table.partNumber] })],
);
