// Owns the table of a tenant's members as people see them. TenantAccount is authoritative for their roles. A person who
// works for two tenants is a member of each. Times are milliseconds since 1970 UTC.
import type { Role } from "@fairlane/protocol";
import { index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { tenants } from "./tenants.ts";

export const members = sqliteTable(
  "members",
  {
    id: text("id").primaryKey(),
    tenantId: text("tenant_id")
      .notNull()
      .references(() => tenants.id),
    name: text("name").notNull(),
    /** A note for people: nothing is sent to it. */
    email: text("email"),
    role: text("role").$type<Role>().notNull(),
    removedAtMs: integer("removed_at_ms"),
    createdAtMs: integer("created_at_ms").notNull(),
  },
  (table) => [index("members_by_tenant").on(table.tenantId, table.id)],
);
