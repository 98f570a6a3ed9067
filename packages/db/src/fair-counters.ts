// Owns the queries of service for fairness: cells in, joined with what is there by the larger of each count; a region's
// own cells and the other regions' sums out. Repeating any of it changes nothing.
import type { D1PreparedStatement } from "@cloudflare/workers-types";
import { and, asc, eq, gt, ne, sql } from "drizzle-orm";
import type { LedgerDb } from "./client.ts";
import { FAIR_PAGE_ROWS_MAX, FAIR_ROWS_MAX } from "./limits.ts";
import { joinRows } from "./join-rows.ts";
import { serviceCounters } from "./schema/ledger/fair-counters.ts";

/** One row of service_counters; node "" and epoch 0 for the sum of closed epochs. */
export type FairCounter = typeof serviceCounters.$inferSelect;

/** Counts of a tenant in one region. */
export interface RegionService {
  readonly tenantId: string;
  readonly region: string;
  readonly serviceUnits: number;
}

/** Joins cells into the table, in one statement. */
export async function writeFairCounters(db: LedgerDb, rows: readonly FairCounter[]): Promise<void> {
  if (rows.length > 0) await counterRows(db, rows).run();
}

/**
 * Closes epochs of nodes: the tenants' sums of closed cells take the place of the cells, all or nothing.
 * @param closed the sums over all nodes of the region, including these epochs
 */
export async function closeFairEpochs(
  db: LedgerDb,
  nodes: readonly {
    readonly region: string;
    readonly nodeId: string;
    readonly throughEpoch: number;
  }[],
  closed: readonly FairCounter[],
): Promise<void> {
  const statements = nodes.map(({ region, nodeId, throughEpoch }) =>
    db.$client
      .prepare("DELETE FROM service_counters WHERE region = ? AND node_id = ? AND epoch <= ?")
      .bind(region, nodeId, throughEpoch),
  );
  for (let from = 0; from < closed.length; from += FAIR_ROWS_MAX) {
    statements.push(counterRows(db, closed.slice(from, from + FAIR_ROWS_MAX)));
  }
  if (statements.length > 0) await db.$client.batch(statements);
}

/** A page of a region's rows, by tenant, node and epoch, after the given one. */
export async function fairCountersOf(
  db: LedgerDb,
  region: string,
  after: Pick<FairCounter, "tenantId" | "nodeId" | "epoch"> | null,
): Promise<readonly FairCounter[]> {
  const { tenantId, nodeId, epoch } = serviceCounters;
  const isLater =
    after === null
      ? undefined
      : sql`(${tenantId}, ${nodeId}, ${epoch}) > (${after.tenantId}, ${after.nodeId}, ${after.epoch})`;
  return db
    .select()
    .from(serviceCounters)
    .where(and(eq(serviceCounters.region, region), isLater))
    .orderBy(asc(tenantId), asc(nodeId), asc(epoch))
    .limit(FAIR_PAGE_ROWS_MAX);
}

/**
 * What other regions gave, of tenants with a row there that is newer than `sinceMs`, and how new the newest is. Of more
 * than FAIR_PAGE_ROWS_MAX such tenants those whose rows are oldest.
 */
export async function remoteService(
  db: LedgerDb,
  region: string,
  sinceMs: number,
): Promise<{ readonly sums: readonly RegionService[]; readonly newestMs: number }> {
  const { tenantId, updatedAtMs, serviceUnits } = serviceCounters;
  const changed = db
    .select({ tenantId })
    .from(serviceCounters)
    .where(and(gt(updatedAtMs, sinceMs), ne(serviceCounters.region, region)))
    .groupBy(tenantId)
    .orderBy(sql`max(${updatedAtMs})`)
    .limit(FAIR_PAGE_ROWS_MAX);
  const rows = await db
    .select({
      tenantId,
      region: serviceCounters.region,
      serviceUnits: sql<number>`sum(${serviceUnits})`,
      newestMs: sql<number>`max(${updatedAtMs})`,
    })
    .from(serviceCounters)
    .where(and(ne(serviceCounters.region, region), sql`${tenantId} IN ${changed}`))
    .groupBy(tenantId, serviceCounters.region);
  const newestMs = rows.reduce((newest, row) => Math.max(newest, row.newestMs), sinceMs);
  return { sums: rows.map(({ newestMs: _, ...sum }) => sum), newestMs };
}

function counterRows(db: LedgerDb, rows: readonly FairCounter[]): D1PreparedStatement {
  return joinRows(db, {
    table: "service_counters",
    columns: [
      ["tenant_id", "tenantId"],
      ["region", "region"],
      ["node_id", "nodeId"],
      ["epoch", "epoch"],
      ["weight", "weight"],
      ["updated_at_ms", "updatedAtMs"],
    ],
    replaced: ["weight", "updated_at_ms"],
    rows,
  });
}
