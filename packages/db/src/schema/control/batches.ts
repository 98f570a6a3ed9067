// Owns the table of which batches a tenant has. What became of each is its BatchRun's to say.
import { index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { tenants } from "./tenants.ts";

export const batches = sqliteTable(
  "batches",
  {
    id: text("id").primaryKey(),
    tenantId: text("tenant_id")
      .notNull()
      .references(() => tenants.id),
    createdAtMs: integer("created_at_ms").notNull(),
  },
  (table) => [index("batches_by_tenant").on(table.tenantId, table.id)],
);
