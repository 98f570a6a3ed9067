// Owns the table of where usage is exported to, at most one row: the settings, how far the export is and what went wrong
// last. Times are milliseconds since 1970 UTC.
import type { Meters } from "@fairlane/ledger";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const billingExport = sqliteTable("billing_export", {
  id: integer("id").primaryKey(),
  kind: text("kind", { enum: ["cloudevents", "openmeter", "stripe"] }).notNull(),
  url: text("url").notNull(),
  /** Key or token of the endpoint, sealed. */
  sealedSecret: text("sealed_secret").notNull(),
  /** `type` of the CloudEvents. */
  eventType: text("event_type").notNull(),
  /** Event names of Stripe's meters. */
  meters: text("meters", { mode: "json" }).$type<Meters>().notNull(),
  /** True to pass over entries of tenants without a customer at Stripe. */
  skipsUnmapped: integer("skips_unmapped", { mode: "boolean" }).notNull(),
  /** Names these settings: a delivery under older ones commits nothing. */
  changedAtMs: integer("changed_at_ms").notNull(),
  /** The position of the last entry that was delivered, rejected or passed over. */
  cursor: integer("cursor").notNull(),
  deliveredEntries: integer("delivered_entries").notNull().default(0),
  lastDeliveredAtMs: integer("last_delivered_at_ms"),
  /** Failed runs in a row. */
  failureCount: integer("failure_count").notNull().default(0),
  retryAtMs: integer("retry_at_ms").notNull().default(0),
  lastError: text("last_error"),
  lastErrorAtMs: integer("last_error_at_ms"),
});
