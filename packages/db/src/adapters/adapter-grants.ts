// Owns the queries of grants: which other tenants may use an adapter. Whether the caller owns it was found out before.
import { and, asc, eq } from "drizzle-orm";
import type { ControlDb } from "../client.ts";
import { adapterGrants } from "../schema/control/adapter-grants.ts";
import { tenants } from "../schema/control/tenants.ts";

/** Lets a tenant use an adapter, unless there is no such tenant, or `countMax` may already. Repeatable. */
export async function grantAdapter(
  db: ControlDb,
  grant: { readonly adapterId: string; readonly tenantId: string; readonly createdAtMs: number },
  countMax: number,
): Promise<"granted" | "no_tenant" | "too_many"> {
  const isTenant = eq(tenants.id, grant.tenantId);
  const [tenant] = await db.select({ id: tenants.id }).from(tenants).where(isTenant).limit(1);
  if (tenant === undefined) return "no_tenant";
  const known = await listGrants(db, grant.adapterId, countMax);
  if (known.length >= countMax && !known.includes(grant.tenantId)) return "too_many";
  await db.insert(adapterGrants).values(grant).onConflictDoNothing();
  return "granted";
}

/** Takes a grant back; false when there was none. */
export async function revokeAdapterGrant(
  db: ControlDb,
  grant: { readonly adapterId: string; readonly tenantId: string },
): Promise<boolean> {
  const wanted = and(
    eq(adapterGrants.adapterId, grant.adapterId),
    eq(adapterGrants.tenantId, grant.tenantId),
  );
  return (await db.delete(adapterGrants).where(wanted).returning()).length > 0;
}

/** The tenants that may use an adapter besides its owner. */
export async function listGrants(
  db: ControlDb,
  adapterId: string,
  countMax: number,
): Promise<readonly string[]> {
  const rows = await db
    .select({ tenantId: adapterGrants.tenantId })
    .from(adapterGrants)
    .where(eq(adapterGrants.adapterId, adapterId))
    .orderBy(asc(adapterGrants.tenantId))
    .limit(countMax);
  return rows.map(({ tenantId }) => tenantId);
}
