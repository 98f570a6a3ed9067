// Owns the sums over a tenant's entries that reconciliation compares: of all of them, and of what each journal (node and
// epoch) reported. Both in one transaction, so that they tell of the same moment.
import { assert } from "@fairlane/base";
import { sql } from "drizzle-orm";
import type { LedgerDb } from "./client.ts";
import { LEDGER_SOURCES_MAX } from "./limits.ts";
import { statementOf } from "./statement.ts";

/** What the ledger has of one journal: entries of its records, estimates and corrections apart. */
export interface LedgerSource {
  readonly nodeId: string;
  readonly epoch: number;
  readonly entries: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
}

export interface LedgerSums {
  readonly entries: number;
  readonly costNanoUsd: number;
  /** Of the newest epochs. */
  readonly sources: readonly LedgerSource[];
}

/** `entry_seq` of an entry that a journal's record made. */
const OF_RECORD = 0;

/** Sums as of one moment, archived entries among them. */
export async function ledgerSums(db: LedgerDb, tenantId: string): Promise<LedgerSums> {
  const counts = `sum(entries) AS entries, sum(prompt) AS "promptTokens", sum(cached) AS "cachedTokens",
    sum(output) AS "outputTokens"`;
  const amounts = `computed_prompt_tokens AS prompt, computed_cached_tokens AS cached,
    computed_output_tokens AS output`;
  const all = sql`SELECT sum(entries) AS entries, coalesce(sum(cost), 0) AS "costNanoUsd" FROM (
      SELECT count(*) AS entries, sum(billed_nano_usd) AS cost FROM ledger_entries
      WHERE tenant_id = ${tenantId}
      UNION ALL
      SELECT coalesce(sum(entries), 0), sum(billed_nano_usd) FROM ledger_archives
      WHERE tenant_id = ${tenantId})`;
  const bySource = sql`SELECT node_id AS "nodeId", epoch, ${sql.raw(counts)} FROM (
      SELECT node_id, epoch, 1 AS entries, ${sql.raw(amounts)} FROM ledger_entries
      WHERE tenant_id = ${tenantId} AND entry_seq = ${OF_RECORD}
      UNION ALL
      SELECT node_id, epoch, entries, ${sql.raw(amounts)} FROM ledger_archive_sources
      WHERE tenant_id = ${tenantId})
    GROUP BY node_id, epoch ORDER BY epoch DESC LIMIT ${LEDGER_SOURCES_MAX}`;
  const [whole, sources] = await db.$client.batch([
    statementOf(db, all),
    statementOf(db, bySource),
  ]);
  const [row] = (whole?.results ?? []) as Omit<LedgerSums, "sources">[];
  assert(row !== undefined, "a sum without GROUP BY has one row");
  assert(Number.isSafeInteger(row.costNanoUsd), `cost of ${tenantId} is no safe integer`);
  return { ...row, sources: (sources?.results ?? []) as LedgerSource[] };
}
