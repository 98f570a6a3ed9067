// Owns the tables of uploads in parts: files that become one when they are completed. Each part is an object of its own in
// the bucket of artifacts, under its id.
import { index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { tenants } from "./tenants.ts";

export const uploads = sqliteTable(
  "uploads",
  {
    id: text("id").primaryKey(),
    tenantId: text("tenant_id")
      .notNull()
      .references(() => tenants.id),
    fileName: text("file_name").notNull(),
    /** Of the whole file. */
    byteCount: integer("byte_count").notNull(),
    createdAtMs: integer("created_at_ms").notNull(),
    expiresAtMs: integer("expires_at_ms").notNull(),
    /** Of the file that it becomes, from then on. */
    fileLifeMs: integer("file_life_ms").notNull().default(2_592_000_000),
  },
  (table) => [
    index("uploads_by_tenant").on(table.tenantId, table.expiresAtMs),
    index("uploads_by_expiry").on(table.expiresAtMs),
  ],
);

export const uploadPieces = sqliteTable(
  "upload_pieces",
  {
    id: text("id").primaryKey(),
    uploadId: text("upload_id")
      .notNull()
      .references(() => uploads.id),
    byteCount: integer("byte_count").notNull(),
    createdAtMs: integer("created_at_ms").notNull(),
  },
  (table) => [index("upload_pieces_by_upload").on(table.uploadId)],
);
