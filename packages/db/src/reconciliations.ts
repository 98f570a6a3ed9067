// Owns the queries of reconciliation: whose turn it is, results in, the worst out first.
import { and, asc, desc, eq, gt, inArray, isNull, lt, lte, or, sql } from "drizzle-orm";
import type { ControlDb } from "./client.ts";
import { RECONCILIATIONS_PAGE_MAX } from "./limits.ts";
import { reconciliations } from "./schema/control/reconciliations.ts";
import { tenants } from "./schema/control/tenants.ts";

export type Reconciliation = typeof reconciliations.$inferSelect;

/** Tenants, but those that are erased or being so, that were never compared or not since `beforeMs` (absent: whenever), the longest ago first. */
export async function tenantsToReconcile(
  db: ControlDb,
  options: { readonly tenantsMax: number; readonly beforeMs?: number },
): Promise<readonly string[]> {
  const { tenantsMax, beforeMs = Number.MAX_SAFE_INTEGER } = options;
  const { checkedAtMs } = reconciliations;
  // The account of an erased one is empty, and the ledger is not.
  const isLiving = inArray(tenants.status, ["active", "suspended"]);
  const rows = await db
    .select({ id: tenants.id })
    .from(tenants)
    .leftJoin(reconciliations, eq(reconciliations.tenantId, tenants.id))
    .where(and(isLiving, or(isNull(checkedAtMs), lte(checkedAtMs, beforeMs))))
    .orderBy(asc(checkedAtMs), asc(tenants.id))
    .limit(tenantsMax);
  return rows.map(({ id }) => id);
}

/** Keeps a result in place of the tenant's last one. */
export async function keepReconciliation(db: ControlDb, result: Reconciliation): Promise<void> {
  const { tenantId: target } = reconciliations;
  // A look at moving usage that found nothing says nothing against what an exact one has found.
  const { checkedAtMs, isExact } = result;
  const set = isExact || result.severity > 0 ? result : { checkedAtMs, isExact };
  await db.insert(reconciliations).values(result).onConflictDoUpdate({ target, set });
}

/**
 * Results, the largest difference first.
 * @param page.after the last tenant of the page before
 */
export async function listReconciliations(
  db: ControlDb,
  page: { readonly after: string | undefined; readonly rowsMax: number },
): Promise<readonly Reconciliation[]> {
  const { severity, tenantId } = reconciliations;
  const { after } = page;
  const last = sql`(SELECT severity FROM reconciliations WHERE tenant_id = ${after})`;
  const isBehind = or(lt(severity, last), and(eq(severity, last), gt(tenantId, after ?? "")));
  return db
    .select()
    .from(reconciliations)
    .where(after === undefined ? undefined : isBehind)
    .orderBy(desc(severity), asc(tenantId))
    .limit(Math.min(page.rowsMax, RECONCILIATIONS_PAGE_MAX));
}

/** Over all tenants: how many were compared, how many differ, and when the oldest result was made. */
export async function reconciliationTotals(db: ControlDb) {
  const [row] = await db
    .select({
      tenants: sql<number>`count(*)`,
      unbalanced: sql<number>`coalesce(sum(${reconciliations.severity} > 0), 0)`,
      oldestCheckedAtMs: sql<number | null>`min(${reconciliations.checkedAtMs})`,
    })
    .from(reconciliations);
  return row ?? { tenants: 0, unbalanced: 0, oldestCheckedAtMs: null };
}
