// Owns the table of LoRA adapters: a name of a tenant on a base model. Content is in versions.
import { integer, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";
import { tenants } from "./tenants.ts";

export const adapters = sqliteTable(
  "adapters",
  {
    id: text("id").primaryKey(),
    /** The owner. */
    tenantId: text("tenant_id")
      .notNull()
      .references(() => tenants.id),
    name: text("name").notNull(),
    baseModel: text("base_model").notNull(),
    /** Nodes evict others first. */
    isPinned: integer("is_pinned", { mode: "boolean" }).notNull(),
    createdAtMs: integer("created_at_ms").notNull(),
  },
  (table) => [uniqueIndex("adapters_by_name").on(table.tenantId, table.name)],
);
