// Owns the sums over a tenant's entries that reconciliation compares: of all of them, and of what each journal (node and
// epoch) reported. Both in one transaction, so that they tell of the same moment.
import { assert } from "@fairlane/base";
import { desc, eq, sql, and, type AnyColumn } from "drizzle-orm";
import type { LedgerDb } from "./client.ts";
import { LEDGER_SOURCES_MAX } from "./limits.ts";
import { ledgerEntries } from "./schema/ledger/ledger-entries.ts";

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

/** Sums as of one moment. */
export async function ledgerSums(db: LedgerDb, tenantId: string): Promise<LedgerSums> {
  const isOwn = eq(ledgerEntries.tenantId, tenantId);
  const total = (column: AnyColumn) => sql<number>`coalesce(sum(${column}), 0)`;
  const entries = sql<number>`count(*)`;
  const [[all], sources] = await db.batch([
    db
      .select({ entries, costNanoUsd: total(ledgerEntries.billedNanoUsd) })
      .from(ledgerEntries)
      .where(isOwn),
    db
      .select({
        nodeId: ledgerEntries.nodeId,
        epoch: ledgerEntries.epoch,
        entries,
        promptTokens: total(ledgerEntries.computedPromptTokens),
        cachedTokens: total(ledgerEntries.computedCachedTokens),
        outputTokens: total(ledgerEntries.computedOutputTokens),
      })
      .from(ledgerEntries)
      .where(and(isOwn, eq(ledgerEntries.entrySeq, OF_RECORD)))
      .groupBy(ledgerEntries.nodeId, ledgerEntries.epoch)
      .orderBy(desc(ledgerEntries.epoch))
      .limit(LEDGER_SOURCES_MAX),
  ]);
  assert(all !== undefined, "a sum without GROUP BY has one row");
  assert(Number.isSafeInteger(all.costNanoUsd), `cost of ${tenantId} is no safe integer`);
  return { ...all, sources };
}
