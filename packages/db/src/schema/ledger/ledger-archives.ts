// Owns the tables of what was taken out of the ledger: a row for each part of an invoice's entries that lies in the bucket,
// with its sums, and the archived entries' sums by hour, project, key and model, and by journal. A part's row is written in the batch that
// deletes its entries; the ledger's triggers let no other entry go.
import { index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const ledgerArchives = sqliteTable(
  "ledger_archives",
  {
    invoiceId: text("invoice_id").notNull(),
    /** From 1 on. */
    part: integer("part").notNull(),
    tenantId: text("tenant_id").notNull(),
    // The invoice's cut, and the first and last entry by (ended_at_ms, position): exactly what is in the part.
    fromEndedMs: integer("from_ended_ms").notNull(),
    fromPosition: integer("from_position").notNull(),
    toEndedMs: integer("to_ended_ms").notNull(),
    toPosition: integer("to_position").notNull(),
    firstEndedMs: integer("first_ended_ms").notNull(),
    firstPosition: integer("first_position").notNull(),
    lastEndedMs: integer("last_ended_ms").notNull(),
    lastPosition: integer("last_position").notNull(),
    entries: integer("entries").notNull(),
    billedPromptTokens: integer("billed_prompt_tokens").notNull(),
    billedCachedTokens: integer("billed_cached_tokens").notNull(),
    billedOutputTokens: integer("billed_output_tokens").notNull(),
    billedNanoUsd: integer("billed_nano_usd").notNull(),
    objectKey: text("object_key").notNull(),
    objectBytes: integer("object_bytes").notNull(),
    /** Of the lines before they were compressed, hex. */
    sha256: text("sha256").notNull(),
    archivedAtMs: integer("archived_at_ms").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.invoiceId, table.part] }),
    index("ledger_archives_by_tenant").on(table.tenantId),
  ],
);

export const ledgerArchiveHours = sqliteTable(
  "ledger_archive_hours",
  {
    tenantId: text("tenant_id").notNull(),
    hourMs: integer("hour_ms").notNull(),
    projectId: text("project_id").notNull(),
    keyId: text("key_id").notNull(),
    model: text("model").notNull(),
    entries: integer("entries").notNull(),
    billedPromptTokens: integer("billed_prompt_tokens").notNull(),
    billedCachedTokens: integer("billed_cached_tokens").notNull(),
    billedOutputTokens: integer("billed_output_tokens").notNull(),
    billedNanoUsd: integer("billed_nano_usd").notNull(),
  },
  (table) => [
    primaryKey({
      columns: [table.tenantId, table.hourMs, table.projectId, table.keyId, table.model],
    }),
  ],
);

/** Of usage records' entries: what reconciliation compares with journals. */
export const ledgerArchiveSources = sqliteTable(
  "ledger_archive_sources",
  {
    tenantId: text("tenant_id").notNull(),
    nodeId: text("node_id").notNull(),
    epoch: integer("epoch").notNull(),
    entries: integer("entries").notNull(),
    computedPromptTokens: integer("computed_prompt_tokens").notNull(),
    computedCachedTokens: integer("computed_cached_tokens").notNull(),
    computedOutputTokens: integer("computed_output_tokens").notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.nodeId, table.epoch] })],
);
