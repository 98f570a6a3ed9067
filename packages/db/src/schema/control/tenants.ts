// Owns the table of tenants: who they are and the limits that are copied into their TenantAccount, which is
// authoritative while requests run. Times are milliseconds since 1970 UTC.
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { priceVersions } from "./price-versions.ts";

export const tenants = sqliteTable("tenants", {
  id: text("id").primaryKey(),
  name: text("name").notNull(),
  status: text("status", { enum: ["active", "suspended"] }).notNull(),
  /** Fair-share weight, >= 1. */
  weight: integer("weight").notNull(),
  requestsPerMinute: integer("requests_per_minute").notNull(),
  tokensPerMinute: integer("tokens_per_minute").notNull(),
  parallelRequests: integer("parallel_requests").notNull(),
  priceVersionId: text("price_version_id")
    .notNull()
    .references(() => priceVersions.id),
  createdAtMs: integer("created_at_ms").notNull(),
});
