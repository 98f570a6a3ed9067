// Owns the table of ledger entries that the billing endpoint refused for good: they hold up no others and wait for the
// operator. Times are milliseconds since 1970 UTC.
import { index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const billingRejections = sqliteTable(
  "billing_rejections",
  {
    /** Of the entry in the ledger. */
    position: integer("position").primaryKey(),
    eventId: text("event_id").notNull(),
    tenantId: text("tenant_id").notNull(),
    reason: text("reason").notNull(),
    rejectedAtMs: integer("rejected_at_ms").notNull(),
    /** True once the operator wants it tried again. */
    isRetried: integer("is_retried", { mode: "boolean" }).notNull().default(false),
  },
  (table) => [index("billing_rejections_retried").on(table.isRetried, table.position)],
);
