// Owns the table of tenants: who they are and the limits that are copied into their TenantAccount, which is
// authoritative while requests run. Times are milliseconds since 1970 UTC.
import type { Budget, ScopeLimits } from "@fairlane/protocol";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { priceVersions } from "./price-versions.ts";

export const tenants = sqliteTable("tenants", {
  id: text("id").primaryKey(),
  name: text("name").notNull(),
  status: text("status", { enum: ["active", "suspended", "erasing", "erased"] }).notNull(),
  /** Fair-share weight, >= 1. */
  weight: integer("weight").notNull(),
  requestsPerMinute: integer("requests_per_minute").notNull(),
  tokensPerMinute: integer("tokens_per_minute").notNull(),
  /** Null: bounded by tokensPerMinute only. */
  inputTokensPerMinute: integer("input_tokens_per_minute"),
  outputTokensPerMinute: integer("output_tokens_per_minute"),
  parallelRequests: integer("parallel_requests").notNull(),
  /** Limits of its projects and keys. */
  scopeLimits: text("scope_limits", { mode: "json" })
    .$type<readonly ScopeLimits[]>()
    .notNull()
    .default([]),
  prepaid: integer("prepaid", { mode: "boolean" }).notNull().default(false),
  budgets: text("budgets", { mode: "json" }).$type<readonly Budget[]>().notNull().default([]),
  /** Where alerts go. */
  webhookUrl: text("webhook_url"),
  priceVersionId: text("price_version_id")
    .notNull()
    .references(() => priceVersions.id),
  createdAtMs: integer("created_at_ms").notNull(),
});
