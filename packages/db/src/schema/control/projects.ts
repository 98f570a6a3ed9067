// Owns the table of projects: every key and every ledger entry of a tenant belongs to one.
import { index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { tenants } from "./tenants.ts";

export const projects = sqliteTable(
  "projects",
  {
    id: text("id").primaryKey(),
    tenantId: text("tenant_id")
      .notNull()
      .references(() => tenants.id),
    name: text("name").notNull(),
    createdAtMs: integer("created_at_ms").notNull(),
  },
  (table) => [index("projects_by_tenant").on(table.tenantId)],
);
