// Owns the table of debits and credits that an operator makes by hand. Append-only (triggers hold it), but for the invoice
// that an adjustment is on, which is null until that one is final, and again when it is void.
import { index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { tenants } from "./tenants.ts";

export const invoiceAdjustments = sqliteTable(
  "invoice_adjustments",
  {
    tenantId: text("tenant_id")
      .notNull()
      .references(() => tenants.id),
    /** Chosen by the operator, so that it counts once. */
    id: text("id").notNull(),
    /** Above 0: the tenant owes it; below: it is owed to the tenant. */
    amountNanoUsd: integer("amount_nano_usd").notNull(),
    reason: text("reason").notNull(),
    /** The request that it corrects. */
    requestId: text("request_id"),
    createdAtMs: integer("created_at_ms").notNull(),
    invoiceId: text("invoice_id"),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.id] }),
    index("invoice_adjustments_by_invoice").on(table.tenantId, table.invoiceId),
  ],
);
