// Owns the table of files that tenants upload, and of those that batches write. The content is in the bucket of
// artifacts, under the file's id; the file's own name is only ever shown.
import { index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { tenants } from "./tenants.ts";

export const files = sqliteTable(
  "files",
  {
    id: text("id").primaryKey(),
    tenantId: text("tenant_id")
      .notNull()
      .references(() => tenants.id),
    purpose: text("purpose", { enum: ["batch", "batch_output"] }).notNull(),
    fileName: text("file_name").notNull(),
    byteCount: integer("byte_count").notNull(),
    createdAtMs: integer("created_at_ms").notNull(),
    /** From then on it is absent for everybody, swept or not. */
    expiresAtMs: integer("expires_at_ms").notNull().default(0),
  },
  (table) => [
    index("files_by_tenant").on(table.tenantId, table.id),
    index("files_by_expiry").on(table.expiresAtMs),
  ],
);
