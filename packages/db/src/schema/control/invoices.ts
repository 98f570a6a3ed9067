// Owns the tables of invoices and their lines. A draft may be made again and goes when a later month is final; from the
// moment it is final an invoice has a number, and it and its lines stay (triggers hold them), but that it may become void
// or be archived. Numbers have no gap. Money is integer nano-USD, times are milliseconds since 1970 UTC.
import type { InvoiceLine } from "@fairlane/ledger";
import { sql } from "drizzle-orm";
import {
  index,
  integer,
  primaryKey,
  sqliteTable,
  text,
  uniqueIndex,
} from "drizzle-orm/sqlite-core";
import { tenants } from "./tenants.ts";

export const invoices = sqliteTable(
  "invoices",
  {
    id: text("id").primaryKey(),
    tenantId: text("tenant_id")
      .notNull()
      .references(() => tenants.id),
    /** First millisecond of its month. */
    periodStartMs: integer("period_start_ms").notNull(),
    status: text("status").$type<"draft" | "final" | "void">().notNull(),
    /** From 1 on, over all tenants; null for a draft. */
    number: integer("number"),
    /** The void invoice whose entries it takes. */
    replacesId: text("replaces_id"),
    // Which entries it takes, see InvoiceCut.
    fromEndedMs: integer("from_ended_ms").notNull(),
    fromPosition: integer("from_position").notNull(),
    toEndedMs: integer("to_ended_ms").notNull(),
    toPosition: integer("to_position").notNull(),
    entries: integer("entries").notNull(),
    /** Of them: billed nothing because their usage could not be priced. */
    faultyEntries: integer("faulty_entries").notNull(),
    usageNanoUsd: integer("usage_nano_usd").notNull(),
    creditNanoUsd: integer("credit_nano_usd").notNull(),
    adjustmentsNanoUsd: integer("adjustments_nano_usd").notNull(),
    roundingNanoUsd: integer("rounding_nano_usd").notNull(),
    totalCents: integer("total_cents").notNull(),
    /** Counts how often it was made as a draft. */
    revision: integer("revision").notNull(),
    madeAtMs: integer("made_at_ms").notNull(),
    finalizedAtMs: integer("finalized_at_ms"),
    voidedAtMs: integer("voided_at_ms"),
    voidReason: text("void_reason"),
    /** From then on it cannot become void: its entries leave the ledger for the archive. */
    archiveStartedAtMs: integer("archive_started_at_ms"),
    archivedAtMs: integer("archived_at_ms"),
  },
  (table) => [
    uniqueIndex("invoices_number").on(table.number),
    uniqueIndex("invoices_one_draft")
      .on(table.tenantId, table.periodStartMs)
      .where(sql`status = 'draft'`),
    uniqueIndex("invoices_one_final")
      .on(table.tenantId, table.periodStartMs)
      .where(sql`status = 'final'`),
    index("invoices_by_tenant").on(table.tenantId, table.periodStartMs),
  ],
);

export const invoiceLines = sqliteTable(
  "invoice_lines",
  {
    invoiceId: text("invoice_id")
      .notNull()
      .references(() => invoices.id),
    line: integer("line").notNull(),
    /** Of an adjustment; null of any other line. */
    adjustmentId: text("adjustment_id"),
    content: text("content", { mode: "json" }).$type<InvoiceLine>().notNull(),
  },
  (table) => [primaryKey({ columns: [table.invoiceId, table.line] })],
);
