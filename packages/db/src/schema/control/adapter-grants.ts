// Owns the table of which other tenants may use an adapter. Using is all that a grant allows.
import { index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { adapters } from "./adapters.ts";
import { tenants } from "./tenants.ts";

export const adapterGrants = sqliteTable(
  "adapter_grants",
  {
    adapterId: text("adapter_id")
      .notNull()
      .references(() => adapters.id),
    tenantId: text("tenant_id")
      .notNull()
      .references(() => tenants.id),
    createdAtMs: integer("created_at_ms").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.adapterId, table.tenantId] }),
    index("adapter_grants_by_tenant").on(table.tenantId),
  ],
);
