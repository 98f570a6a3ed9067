// Owns the queries of the ledger: entries in, in one statement a batch and without effect when repeated; sums and
// the newest entries out, which are those that are not archived. Nothing here updates or deletes.
import { assert } from "@fairlane/base";
import type { LedgerEntry } from "@fairlane/ledger";
import { and, desc, eq, getTableColumns, sql } from "drizzle-orm";
import type { LedgerDb } from "./client.ts";
import { LEDGER_BATCH_ENTRIES_MAX, LEDGER_PAGE_ENTRIES_MAX } from "./limits.ts";
import { ledgerEntries } from "./schema/ledger/ledger-entries.ts";

// Where an entry stands among all tenants' is for invoices alone.
const { position: _, ...READ_COLUMNS } = getTableColumns(ledgerEntries);

/** A row of the ledger as it is read back. */
export type LedgerRow = Omit<typeof ledgerEntries.$inferSelect, "position">;

/** Sums over a tenant's entries. */
export interface UsageTotals {
  readonly entries: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
  readonly costNanoUsd: number;
}

// The columns in the order of both halves of the insert, each beside its field of a LedgerEntry.
const COLUMNS: readonly (readonly [column: string, field: keyof LedgerEntry])[] = [
  ["request_id", "requestId"],
  ["attempt", "attempt"],
  ["entry_seq", "entrySeq"],
  ["tenant_id", "tenantId"],
  ["project_id", "projectId"],
  ["key_id", "keyId"],
  ["node_id", "nodeId"],
  ["epoch", "epoch"],
  ["model", "model"],
  ["price_version", "priceVersion"],
  ["finish_reason", "finishReason"],
  ["prompt_tokens", "promptTokens"],
  ["computed_prompt_tokens", "computedPromptTokens"],
  ["computed_cached_tokens", "computedCachedTokens"],
  ["computed_output_tokens", "computedOutputTokens"],
  ["billed_prompt_tokens", "billedPromptTokens"],
  ["billed_cached_tokens", "billedCachedTokens"],
  ["billed_output_tokens", "billedOutputTokens"],
  ["billed_nano_usd", "billedNanoUsd"],
  ["credit_nano_usd", "creditNanoUsd"],
  ["fault", "fault"],
  ["estimated", "estimated"],
  ["received_at_ms", "receivedAtMs"],
  ["queue_ms", "queueMs"],
  ["ttft_ms", "ttftMs"],
  ["ended_at_ms", "endedAtMs"],
];

// One bound parameter however many rows: D1 allows 100 a statement. Each row is an array of the columns' values. Materialised,
// since SQLite would write a row's JSON out again for each of its columns, which takes four times as long. WHERE true keeps
// it from reading ON CONFLICT as a join constraint.
const INSERT_HEAD = "WITH entries(entry) AS MATERIALIZED (SELECT value FROM json_each(";
const INSERT_TAIL = `)) INSERT INTO ledger_entries (${COLUMNS.map(([column]) => column).join(", ")}) SELECT ${COLUMNS.map(
  (_, index) => `json_extract(entry, '$[${index}]')`,
).join(", ")} FROM entries WHERE true ON CONFLICT DO NOTHING`;

/** The values of an entry in the order of COLUMNS. */
function rowOf(entry: LedgerEntry): readonly unknown[] {
  // Absent where no credit was used.
  const whole = { ...entry, creditNanoUsd: entry.creditNanoUsd ?? 0 };
  return COLUMNS.map(([, field]) => whole[field]);
}

/** Appends entries; those that are there already stay as they are. One statement, so all or none. */
export async function appendLedgerEntries(
  db: LedgerDb,
  entries: readonly LedgerEntry[],
): Promise<void> {
  assert(
    entries.length <= LEDGER_BATCH_ENTRIES_MAX,
    `${entries.length} entries in a batch, bound ${LEDGER_BATCH_ENTRIES_MAX}`,
  );
  if (entries.length === 0) return;
  const rows = JSON.stringify(entries.map(rowOf));
  await db.run(sql`${sql.raw(INSERT_HEAD)}${rows}${sql.raw(INSERT_TAIL)}`);
}

/** What a tenant is billed for, over all its entries, archived ones among them. */
export async function usageTotals(db: LedgerDb, tenantId: string): Promise<UsageTotals> {
  const sums = `sum(billed_prompt_tokens) AS prompt, sum(billed_cached_tokens) AS cached,
    sum(billed_output_tokens) AS output, sum(billed_nano_usd) AS cost`;
  // One statement, so that what is archived meanwhile is counted once.
  const [row] = await db.all<UsageTotals>(
    sql`SELECT sum(entries) AS entries, coalesce(sum(prompt), 0) AS "promptTokens",
          coalesce(sum(cached), 0) AS "cachedTokens", coalesce(sum(output), 0) AS "outputTokens",
          coalesce(sum(cost), 0) AS "costNanoUsd"
        FROM (
          SELECT count(*) AS entries, ${sql.raw(sums)} FROM ledger_entries WHERE tenant_id = ${tenantId}
          UNION ALL
          SELECT coalesce(sum(entries), 0), ${sql.raw(sums)} FROM ledger_archives
          WHERE tenant_id = ${tenantId})`,
  );
  assert(row !== undefined, "a sum without GROUP BY has one row");
  for (const [name, sum] of Object.entries(row)) {
    assert(Number.isSafeInteger(sum), `${name} of ${tenantId} is no safe integer`);
  }
  return row;
}

/** A tenant's newest entries, newest first; of one request only when it is named. */
export async function newestLedgerEntries(
  db: LedgerDb,
  tenantId: string,
  options: { readonly entriesMax: number; readonly requestId?: string },
): Promise<readonly LedgerRow[]> {
  const { entriesMax, requestId } = options;
  const mine = eq(ledgerEntries.tenantId, tenantId);
  return db
    .select(READ_COLUMNS)
    .from(ledgerEntries)
    .where(requestId === undefined ? mine : and(mine, eq(ledgerEntries.requestId, requestId)))
    .orderBy(desc(ledgerEntries.endedAtMs), desc(ledgerEntries.requestId))
    .limit(Math.min(entriesMax, LEDGER_PAGE_ENTRIES_MAX));
}
