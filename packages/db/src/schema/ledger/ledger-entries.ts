// Owns the table of the ledger: append-only (triggers refuse UPDATE and DELETE), one row per entry, identified by
// (request, attempt, entry_seq), so a repeated insert adds nothing. `computed_*` equals the node's journal,
// `billed_*` is what the tenant pays. Money is integer nano-USD, times are milliseconds since 1970 UTC.
import type { LedgerEntry } from "@fairlane/ledger";
import { index, integer, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";

export const ledgerEntries = sqliteTable(
  "ledger_entries",
  {
    /** In the order of arrival, never used twice: what invoices are cut at. */
    position: integer("position").primaryKey({ autoIncrement: true }),
    requestId: text("request_id").notNull(),
    attempt: integer("attempt").notNull(),
    entrySeq: integer("entry_seq").notNull(),
    tenantId: text("tenant_id").notNull(),
    projectId: text("project_id").notNull(),
    keyId: text("key_id").notNull(),
    nodeId: text("node_id").notNull(),
    epoch: integer("epoch").notNull(),
    model: text("model").notNull(),
    priceVersion: text("price_version").notNull(),
    finishReason: text("finish_reason").$type<LedgerEntry["finishReason"]>().notNull(),
    promptTokens: integer("prompt_tokens").notNull(),
    computedPromptTokens: integer("computed_prompt_tokens").notNull(),
    computedCachedTokens: integer("computed_cached_tokens").notNull(),
    computedOutputTokens: integer("computed_output_tokens").notNull(),
    billedPromptTokens: integer("billed_prompt_tokens").notNull(),
    billedCachedTokens: integer("billed_cached_tokens").notNull(),
    billedOutputTokens: integer("billed_output_tokens").notNull(),
    billedNanoUsd: integer("billed_nano_usd").notNull(),
    /** Of it: what credit covered when it was settled. */
    creditNanoUsd: integer("credit_nano_usd").notNull().default(0),
    /** Why nothing is billed although tokens were computed; null for a sound entry. */
    fault: text("fault").$type<LedgerEntry["fault"]>(),
    /** Billed from what the hub delivered: the node's record is lost. Its computed_* are 0. */
    estimated: integer("estimated", { mode: "boolean" }).notNull().default(false),
    receivedAtMs: integer("received_at_ms").notNull(),
    queueMs: integer("queue_ms").notNull(),
    ttftMs: integer("ttft_ms"),
    endedAtMs: integer("ended_at_ms").notNull(),
  },
  (table) => [
    uniqueIndex("ledger_entries_identity").on(table.requestId, table.attempt, table.entrySeq),
    index("ledger_entries_by_tenant").on(table.tenantId, table.endedAtMs),
  ],
);
