// Owns the queries of adapters as their owner sees them. Another tenant's adapter is not found by any of them.
import { and, asc, count, eq, gt, inArray } from "drizzle-orm";
import type { ControlDb } from "../client.ts";
import { adapterGrants } from "../schema/control/adapter-grants.ts";
import { adapterVersions } from "../schema/control/adapter-versions.ts";
import { adapters } from "../schema/control/adapters.ts";
import { uploadParts } from "../schema/control/upload-parts.ts";

export type Adapter = typeof adapters.$inferSelect;

/** An adapter of a tenant. */
export interface OwnAdapter {
  readonly tenantId: string;
  readonly adapterId: string;
}

/** Adds an adapter, unless the tenant has one of this name, or `countMax` already. */
export async function createAdapter(
  db: ControlDb,
  adapter: Adapter,
  countMax: number,
): Promise<"added" | "name_taken" | "too_many"> {
  const mine = eq(adapters.tenantId, adapter.tenantId);
  const [owned] = await db.select({ total: count() }).from(adapters).where(mine);
  if (owned !== undefined && owned.total >= countMax) return "too_many";
  const added = await db.insert(adapters).values(adapter).onConflictDoNothing().returning();
  return added.length > 0 ? "added" : "name_taken";
}

/** The adapter if it is this tenant's. */
export async function findAdapter(db: ControlDb, own: OwnAdapter): Promise<Adapter | undefined> {
  return (await db.select().from(adapters).where(isOwn(own)).limit(1))[0];
}

/** A tenant's adapters by id, after the one named ("" for the first page). */
export async function listAdapters(
  db: ControlDb,
  tenantId: string,
  page: { readonly afterId: string; readonly countMax: number },
): Promise<readonly Adapter[]> {
  const mine = and(eq(adapters.tenantId, tenantId), gt(adapters.id, page.afterId));
  return db.select().from(adapters).where(mine).orderBy(asc(adapters.id)).limit(page.countMax);
}

/** False when the tenant has no such adapter. */
export async function pinAdapter(
  db: ControlDb,
  own: OwnAdapter,
  isPinned: boolean,
): Promise<boolean> {
  const changed = await db.update(adapters).set({ isPinned }).where(isOwn(own)).returning();
  return changed.length > 0;
}

/** Deletes an adapter that was found to be the tenant's, all versions and grants with it; returns the versions' ids. */
export async function deleteAdapter(db: ControlDb, adapterId: string): Promise<readonly string[]> {
  const ofAdapter = eq(adapterVersions.adapterId, adapterId);
  const ids = db.select({ id: adapterVersions.id }).from(adapterVersions).where(ofAdapter);
  const [versions] = await db.batch([
    ids,
    db.delete(uploadParts).where(inArray(uploadParts.objectId, ids)),
    db.delete(adapterGrants).where(eq(adapterGrants.adapterId, adapterId)),
    db.delete(adapterVersions).where(ofAdapter),
    db.delete(adapters).where(eq(adapters.id, adapterId)),
  ]);
  return versions.map(({ id }) => id);
}

function isOwn({ tenantId, adapterId }: OwnAdapter) {
  return and(eq(adapters.id, adapterId), eq(adapters.tenantId, tenantId));
}
