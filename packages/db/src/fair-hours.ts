// Owns the queries of service by hour: rows in, joined like cells; a tenant's hours with everybody's sums, and sums of
// all tenants, out.
import type { ServiceCounts } from "@fairlane/protocol";
import { and, asc, eq, gte, sql, type AnyColumn } from "drizzle-orm";
import type { LedgerDb } from "./client.ts";
import { joinRows } from "./join-rows.ts";
import { FAIR_PAGE_ROWS_MAX } from "./limits.ts";
import { serviceCounters } from "./schema/ledger/fair-counters.ts";
import { serviceHourly } from "./schema/ledger/fair-hours.ts";

export type FairHour = typeof serviceHourly.$inferSelect;

/** One hour of a tenant, over all regions. */
export interface TenantHour extends ServiceCounts {
  readonly hourMs: number;
  /** Service units of all tenants in that hour. */
  readonly allServiceUnits: number;
}

/** Sums of one tenant since it was first served. */
export interface TenantService extends ServiceCounts {
  readonly tenantId: string;
}

/** Joins rows into the table, in one statement. */
export async function writeFairHours(db: LedgerDb, rows: readonly FairHour[]): Promise<void> {
  if (rows.length === 0) return;
  const statement = joinRows(db, {
    table: "service_hourly",
    columns: [
      ["tenant_id", "tenantId"],
      ["hour_ms", "hourMs"],
      ["region", "region"],
      ["epoch", "epoch"],
      ["weight", "weight"],
    ],
    replaced: ["weight"],
    rows,
  });
  await statement.run();
}

/** The tenant's hours that begin at `fromMs` or later, oldest first; hours without service have no row. */
export async function fairHoursOf(
  db: LedgerDb,
  tenantId: string,
  fromMs: number,
): Promise<readonly TenantHour[]> {
  const { hourMs } = serviceHourly;
  const all = db
    .select({ hourMs, units: sql<number>`sum(${serviceHourly.serviceUnits})`.as("units") })
    .from(serviceHourly)
    .where(gte(hourMs, fromMs))
    .groupBy(hourMs)
    .as("all_tenants");
  return db
    .select({ hourMs, ...sums(serviceHourly), allServiceUnits: all.units })
    .from(serviceHourly)
    .innerJoin(all, eq(all.hourMs, hourMs))
    .where(and(eq(serviceHourly.tenantId, tenantId), gte(hourMs, fromMs)))
    .groupBy(hourMs)
    .orderBy(asc(hourMs))
    .limit(FAIR_PAGE_ROWS_MAX);
}

/** Sums over all regions, nodes and epochs, of those of these tenants that were ever served. */
export async function fairTotals(
  db: LedgerDb,
  tenantIds: readonly string[],
): Promise<readonly TenantService[]> {
  // One bound parameter however many ids: D1 allows 100 a statement.
  const isWanted = sql`${serviceCounters.tenantId} IN (SELECT value FROM json_each(${JSON.stringify(tenantIds)}))`;
  return db
    .select({ tenantId: serviceCounters.tenantId, ...sums(serviceCounters) })
    .from(serviceCounters)
    .where(isWanted)
    .groupBy(serviceCounters.tenantId);
}

function sums(table: Readonly<Record<keyof ServiceCounts, AnyColumn>>) {
  const sum = (column: AnyColumn) => sql<number>`sum(${column})`;
  return {
    inputTokens: sum(table.inputTokens),
    cachedTokens: sum(table.cachedTokens),
    outputTokens: sum(table.outputTokens),
    serviceUnits: sum(table.serviceUnits),
    queueMs: sum(table.queueMs),
    requests: sum(table.requests),
  };
}
