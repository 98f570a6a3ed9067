// Owns which adapters a tenant may use, its own and those granted to it. Invariant: what
// these queries find, the tenant may know of.
import { and, asc, desc, eq, getTableColumns, gt, inArray, isNotNull, or, sql } from "drizzle-orm";
import type { ControlDb } from "../client.ts";
import type { Adapter } from "./adapters.ts";
import { adapterGrants } from "../schema/control/adapter-grants.ts";
import { adapterVersions } from "../schema/control/adapter-versions.ts";
import { adapters } from "../schema/control/adapters.ts";

/** A version that can be run. */
export interface UsableAdapter {
  readonly adapterId: string;
  readonly ownerTenantId: string;
  readonly name: string;
  readonly baseModel: string;
  readonly isPinned: boolean;
  readonly versionId: string;
  readonly version: number;
  readonly digest: string;
  readonly weightsBytes: number;
  readonly createdAtMs: number;
}

const VERSION_COLUMNS = {
  adapterId: adapterVersions.adapterId,
  versionId: adapterVersions.id,
  version: adapterVersions.version,
  digest: sql<string>`${adapterVersions.digest}`,
  weightsBytes: adapterVersions.weightsBytes,
};

const COLUMNS = {
  ...VERSION_COLUMNS,
  ownerTenantId: adapters.tenantId,
  name: adapters.name,
  baseModel: adapters.baseModel,
  isPinned: adapters.isPinned,
  createdAtMs: adapterVersions.createdAtMs,
};

const isNewest = sql`${adapterVersions.version} = (SELECT max(v.version) FROM adapter_versions v WHERE v.adapter_id = ${adapterVersions.adapterId} AND v.digest IS NOT NULL)`;

/** What a name means to a tenant: the version that is ready, the newest when none is named. One statement. */
export async function resolveAdapter(
  db: ControlDb,
  tenantId: string,
  wanted: {
    readonly ownerTenantId: string;
    readonly name: string;
    readonly version: number | undefined;
  },
): Promise<UsableAdapter | undefined> {
  const { ownerTenantId, name, version } = wanted;
  const rows = await usable(db, tenantId)
    .where(
      and(
        eq(adapters.tenantId, ownerTenantId),
        eq(adapters.name, name),
        isNotNull(adapterVersions.digest),
        version === undefined ? undefined : eq(adapterVersions.version, version),
        mayUse(tenantId),
      ),
    )
    .orderBy(desc(adapterVersions.version))
    .limit(1);
  return rows[0];
}

/** Every adapter that a tenant may use, each with its newest version that is ready, by id. */
export async function listUsableAdapters(
  db: ControlDb,
  tenantId: string,
  countMax: number,
): Promise<readonly UsableAdapter[]> {
  return usable(db, tenantId)
    .where(and(isNewest, mayUse(tenantId)))
    .orderBy(asc(adapters.id))
    .limit(countMax);
}

/** The newest version that is ready of each of these adapters; those without one are absent. */
export async function latestVersions(
  db: ControlDb,
  adapterIds: readonly string[],
): Promise<
  readonly { readonly adapterId: string; readonly version: number; readonly digest: string }[]
> {
  if (adapterIds.length === 0) return [];
  const { adapterId, version, digest } = VERSION_COLUMNS;
  return db
    .select({ adapterId, version, digest })
    .from(adapterVersions)
    .where(and(inArray(adapterVersions.adapterId, [...adapterIds]), isNewest));
}

/** The adapter if it is granted to this tenant. */
export async function findGrantedAdapter(
  db: ControlDb,
  granted: { readonly tenantId: string; readonly adapterId: string },
): Promise<Adapter | undefined> {
  const isWanted = and(
    eq(adapters.id, granted.adapterId),
    eq(adapterGrants.tenantId, granted.tenantId),
  );
  return (await grantedAdapters(db).where(isWanted).limit(1))[0];
}

/** The adapters granted to a tenant by id, after the one named ("" for the first page). */
export async function listGrantedAdapters(
  db: ControlDb,
  tenantId: string,
  page: { readonly afterId: string; readonly countMax: number },
): Promise<readonly Adapter[]> {
  const isWanted = and(eq(adapterGrants.tenantId, tenantId), gt(adapters.id, page.afterId));
  return grantedAdapters(db).where(isWanted).orderBy(asc(adapters.id)).limit(page.countMax);
}

function grantedAdapters(db: ControlDb) {
  return db
    .select(getTableColumns(adapters))
    .from(adapters)
    .innerJoin(adapterGrants, eq(adapterGrants.adapterId, adapters.id))
    .$dynamic();
}

function usable(db: ControlDb, tenantId: string) {
  const granted = and(
    eq(adapterGrants.adapterId, adapters.id),
    eq(adapterGrants.tenantId, tenantId),
  );
  return db
    .select(COLUMNS)
    .from(adapters)
    .innerJoin(adapterVersions, eq(adapterVersions.adapterId, adapters.id))
    .leftJoin(adapterGrants, granted)
    .$dynamic();
}

function mayUse(tenantId: string) {
  return or(eq(adapters.tenantId, tenantId), isNotNull(adapterGrants.tenantId));
}
