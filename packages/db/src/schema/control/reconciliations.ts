// Owns the table of reconciliation: of each tenant the result of the last comparison of account, journals and ledger. A
// difference is what the first two have above the ledger. Times are milliseconds since 1970 UTC.
import { index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const reconciliations = sqliteTable(
  "reconciliations",
  {
    tenantId: text("tenant_id").primaryKey(),
    checkedAtMs: integer("checked_at_ms").notNull(),
    /** False when usage was moving all the time: then only bounds were checked, and what was found before stays. */
    isExact: integer("is_exact", { mode: "boolean" }).notNull(),
    /** Settled and not in the ledger. */
    entriesDifference: integer("entries_difference").notNull(),
    nanoUsdDifference: integer("nano_usd_difference").notNull(),
    /** Journals whose records or tokens differ from the ledger's, of those that were compared. */
    sourcesChecked: integer("sources_checked").notNull(),
    sourcesDiffering: integer("sources_differing").notNull(),
    /** Records that journals have numbered and the ledger has no entry of. */
    recordsDifference: integer("records_difference").notNull(),
    promptTokensDifference: integer("prompt_tokens_difference").notNull(),
    cachedTokensDifference: integer("cached_tokens_difference").notNull(),
    outputTokensDifference: integer("output_tokens_difference").notNull(),
    /** Sum of all differences without their signs; 0: balanced. Orders the list. */
    severity: integer("severity").notNull(),
  },
  (table) => [
    index("reconciliations_by_severity").on(table.severity, table.tenantId),
    index("reconciliations_by_time").on(table.checkedAtMs),
  ],
);
