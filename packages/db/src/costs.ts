// Owns the query of costs: a tenant's ledger summed by hour or day of UTC, and by project, key or model. From the ledger
// itself, over its index by tenant and time, and of what was archived from the sums that took its place.
import { assert } from "@fairlane/base";
import { sql } from "drizzle-orm";
import type { LedgerDb } from "./client.ts";
import { COST_ROWS_MAX } from "./limits.ts";

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

const GROUPS = { project: "project_id", key: "key_id", model: "model" } as const;

const SUMS = `sum(entries) AS entries, sum(prompt) AS "promptTokens", sum(cached) AS "cachedTokens",
  sum(output) AS "outputTokens", sum(cost) AS "costNanoUsd"`;
const AMOUNTS = `billed_prompt_tokens AS prompt, billed_cached_tokens AS cached, billed_output_tokens AS output,
  billed_nano_usd AS cost, project_id, key_id, model`;

/**
 * Rows in the order of time, then of the group; undefined when there are more than COST_ROWS_MAX. Archived entries are known
 * by the hour: one counts when its beginning is in the asked time.
 */
export async function costsOf(
  db: LedgerDb,
  tenantId: string,
  query: CostQuery,
): Promise<readonly CostRow[] | undefined> {
  const { fromMs, toMs, bucketMs, groupBy } = query;
  assert(Number.isSafeInteger(bucketMs) && bucketMs > 0, `buckets of ${bucketMs} ms`);
  const bucket = sql.raw(`(at_ms / ${bucketMs}) * ${bucketMs}`);
  const group = sql.raw(groupBy === undefined ? "NULL" : GROUPS[groupBy]);
  const rows = await db.all<CostRow>(
    sql`SELECT ${bucket} AS "bucketMs", ${group} AS "group", ${sql.raw(SUMS)}
        FROM (
          SELECT ended_at_ms AS at_ms, 1 AS entries, ${sql.raw(AMOUNTS)} FROM ledger_entries
          WHERE tenant_id = ${tenantId} AND ended_at_ms >= ${fromMs} AND ended_at_ms < ${toMs}
          UNION ALL
          SELECT hour_ms, entries, ${sql.raw(AMOUNTS)} FROM ledger_archive_hours
          WHERE tenant_id = ${tenantId} AND hour_ms >= ${fromMs} AND hour_ms < ${toMs})
        GROUP BY 1, 2 ORDER BY 1, 2 LIMIT ${COST_ROWS_MAX + 1}`,
  );
  for (const { costNanoUsd } of rows) {
    assert(
      Number.isSafeInteger(costNanoUsd),
      `a bucket's costs of ${tenantId} are no safe integer`,
    );
  }
  return rows.length > COST_ROWS_MAX ? undefined : rows;
}
