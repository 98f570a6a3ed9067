// Owns the ledger's side of invoices: the sums of a cut's entries by line, how far the ledger reaches, and whether entries
// came that a cut has not. All of it over the index by tenant and time, which holds positions too.
import { assert } from "@fairlane/base";
import type { InvoiceCut, PriceClass, UsageSum } from "@fairlane/ledger";
import { and, eq, gt, lt, lte, or, sql } from "drizzle-orm";
import type { LedgerDb } from "../client.ts";
import { INVOICE_SUMS_MAX } from "../limits.ts";
import { ledgerEntries } from "../schema/ledger/ledger-entries.ts";

const { endedAtMs, position, tenantId: tenant, requestId } = ledgerEntries;

/** Entries of a tenant's that a cut takes, exactly as `isInCut` says. */
export const inCut = (tenantId: string, cut: InvoiceCut) =>
  and(
    eq(tenant, tenantId),
    lt(endedAtMs, cut.toEndedMs),
    lte(position, cut.toPosition),
    or(sql`${endedAtMs} >= ${cut.fromEndedMs}`, gt(position, cut.fromPosition)),
  );

// Batches' requests by their ids, as `isBatchRequestId` tells them; D1 takes patterns of 50 bytes.
const IS_BATCH = `request_id GLOB 'batch_${"?".repeat(26)}-[0-9]*-[0-9]*'`;
const MONTH_MS =
  "CAST(strftime('%s', ended_at_ms / 1000, 'unixepoch', 'start of month') AS INTEGER) * 1000";

/** Sums of a cut's entries, older months first; undefined when there are more than INVOICE_SUMS_MAX. */
export async function usageOfCut(
  ledger: LedgerDb,
  tenantId: string,
  cut: InvoiceCut,
): Promise<readonly UsageSum[] | undefined> {
  const total = (column: Parameters<typeof sql>[1]) => sql<number>`sum(${column})`;
  const rows = await ledger
    .select({
      monthMs: sql<number>`${sql.raw(MONTH_MS)}`.as("month_ms"),
      projectId: ledgerEntries.projectId,
      model: ledgerEntries.model,
      priceClass: sql<PriceClass>`iif(${sql.raw(IS_BATCH)}, 'batch', 'standard')`.as("price_class"),
      priceVersion: ledgerEntries.priceVersion,
      requests: sql<number>`count(DISTINCT ${requestId})`,
      entries: sql<number>`count(*)`,
      faultyEntries: sql<number>`count(${ledgerEntries.fault})`,
      promptTokens: total(ledgerEntries.billedPromptTokens),
      cachedTokens: total(ledgerEntries.billedCachedTokens),
      outputTokens: total(ledgerEntries.billedOutputTokens),
      billedNanoUsd: total(ledgerEntries.billedNanoUsd),
      creditNanoUsd: total(ledgerEntries.creditNanoUsd),
    })
    .from(ledgerEntries)
    .where(inCut(tenantId, cut))
    .groupBy(
      sql`month_ms`,
      ledgerEntries.projectId,
      ledgerEntries.model,
      sql`price_class`,
      ledgerEntries.priceVersion,
    )
    .orderBy(
      sql`month_ms`,
      ledgerEntries.projectId,
      ledgerEntries.model,
      sql`price_class`,
      ledgerEntries.priceVersion,
    )
    .limit(INVOICE_SUMS_MAX + 1);
  for (const { billedNanoUsd } of rows) {
    assert(Number.isSafeInteger(billedNanoUsd), `a sum of ${tenantId}'s is no safe integer`);
  }
  return rows.length > INVOICE_SUMS_MAX ? undefined : rows;
}

/** The position of the newest entry of all tenants; 0 of an empty ledger. */
export async function newestPosition(ledger: LedgerDb): Promise<number> {
  const [row] = await ledger
    .select({ newest: sql<number>`coalesce(max(${position}), 0)` })
    .from(ledgerEntries);
  return row?.newest ?? 0;
}

/** True when entries that ended before the cut's end came after it was made. */
export async function hasLateEntries(
  ledger: LedgerDb,
  tenantId: string,
  cut: InvoiceCut,
): Promise<boolean> {
  const rows = await ledger
    .select({ position })
    .from(ledgerEntries)
    .where(and(eq(tenant, tenantId), lt(endedAtMs, cut.toEndedMs), gt(position, cut.toPosition)))
    .limit(1);
  return rows.length > 0;
}

/** Of these tenants those that have entries of the span. */
export async function tenantsWithUsage(
  ledger: LedgerDb,
  tenantIds: readonly string[],
  span: { readonly startMs: number; readonly endMs: number },
): Promise<readonly string[]> {
  const rows = await ledger.all<{ id: string }>(
    sql`SELECT value AS id FROM json_each(${JSON.stringify(tenantIds)}) WHERE EXISTS (
          SELECT 1 FROM ledger_entries WHERE tenant_id = value AND ended_at_ms >= ${span.startMs}
            AND ended_at_ms < ${span.endMs})`,
  );
  return rows.map(({ id }) => id);
}
