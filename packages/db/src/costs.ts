// Owns the query of costs: a tenant's ledger summed by hour or day of UTC, and by project, key or model. From the ledger
// itself, over its index by tenant and time: there is no second sum that could drift.
import { assert } from "@fairlane/base";
import { and, asc, eq, gte, lt, sql } from "drizzle-orm";
import type { LedgerDb } from "./client.ts";
import { COST_ROWS_MAX } from "./limits.ts";
import { ledgerEntries } from "./schema/ledger/ledger-entries.ts";

export type CostGroup = "project" | "key" | "model";

export interface CostQuery {
  readonly fromMs: number;
  /** Excluded. */
  readonly toMs: number;
  readonly bucketMs: number;
  /** Absent: the whole tenant in one row a bucket. */
  readonly groupBy?: CostGroup | undefined;
}

/** What one bucket and group cost. */
export interface CostRow {
  readonly bucketMs: number;
  readonly group: string | null;
  readonly entries: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
  readonly costNanoUsd: number;
}

const GROUPS = {
  project: ledgerEntries.projectId,
  key: ledgerEntries.keyId,
  model: ledgerEntries.model,
} as const;

/** Rows in the order of time, then of the group; undefined when there are more than COST_ROWS_MAX. */
export async function costsOf(
  db: LedgerDb,
  tenantId: string,
  query: CostQuery,
): Promise<readonly CostRow[] | undefined> {
  const { fromMs, toMs, bucketMs, groupBy } = query;
  assert(Number.isSafeInteger(bucketMs) && bucketMs > 0, `buckets of ${bucketMs} ms`);
  const sum = (column: Parameters<typeof sql>[1]) => sql<number>`sum(${column})`;
  // Written into the text: the same expression has to be named twice.
  const bucket = sql.raw(`(ended_at_ms / ${bucketMs}) * ${bucketMs}`);
  const group = groupBy === undefined ? sql<null>`NULL` : sql<string>`${GROUPS[groupBy]}`;
  const { tenantId: tenant, endedAtMs } = ledgerEntries;
  const rows = await db
    .select({
      bucketMs: sql<number>`${bucket}`.as("bucket_ms"),
      group: sql<string | null>`${group}`.as("cost_group"),
      entries: sql<number>`count(*)`,
      promptTokens: sum(ledgerEntries.billedPromptTokens),
      cachedTokens: sum(ledgerEntries.billedCachedTokens),
      outputTokens: sum(ledgerEntries.billedOutputTokens),
      costNanoUsd: sum(ledgerEntries.billedNanoUsd),
    })
    .from(ledgerEntries)
    .where(and(eq(tenant, tenantId), gte(endedAtMs, fromMs), lt(endedAtMs, toMs)))
    .groupBy(sql`bucket_ms`, sql`cost_group`)
    .orderBy(asc(sql`bucket_ms`), asc(sql`cost_group`))
    .limit(COST_ROWS_MAX + 1);
  for (const { costNanoUsd } of rows) {
    assert(
      Number.isSafeInteger(costNanoUsd),
      `a bucket's costs of ${tenantId} are no safe integer`,
    );
  }
  return rows.length > COST_ROWS_MAX ? undefined : rows;
}
