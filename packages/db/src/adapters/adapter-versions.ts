// Owns the queries of adapters' versions: numbers without gaps or races, content set once. Whether the caller owns the
// adapter was found out before.
import { and, count, desc, eq, isNull, lt, sql } from "drizzle-orm";
import type { ControlDb } from "../client.ts";
import { adapterVersions } from "../schema/control/adapter-versions.ts";
import { uploadParts } from "../schema/control/upload-parts.ts";

export type AdapterVersion = typeof adapterVersions.$inferSelect;

/** Adds a version under the next number; undefined when there are `countMax`. */
export async function createAdapterVersion(
  db: ControlDb,
  version: Omit<AdapterVersion, "version" | "digest">,
  countMax: number,
): Promise<AdapterVersion | undefined> {
  const ofAdapter = eq(adapterVersions.adapterId, version.adapterId);
  const [known] = await db.select({ total: count() }).from(adapterVersions).where(ofAdapter);
  if (known !== undefined && known.total >= countMax) return undefined;
  const next = sql`(SELECT coalesce(max(version), 0) + 1 FROM adapter_versions WHERE adapter_id = ${version.adapterId})`;
  const [added] = await db
    .insert(adapterVersions)
    .values({ ...version, version: next, digest: null })
    .returning();
  return added;
}

/** A version by its number. */
export async function findAdapterVersion(
  db: ControlDb,
  adapterId: string,
  version: number,
): Promise<AdapterVersion | undefined> {
  const wanted = and(
    eq(adapterVersions.adapterId, adapterId),
    eq(adapterVersions.version, version),
  );
  return (await db.select().from(adapterVersions).where(wanted).limit(1))[0];
}

/** The newest versions of an adapter, newest first. */
export async function listAdapterVersions(
  db: ControlDb,
  adapterId: string,
  countMax: number,
): Promise<readonly AdapterVersion[]> {
  return db
    .select()
    .from(adapterVersions)
    .where(eq(adapterVersions.adapterId, adapterId))
    .orderBy(desc(adapterVersions.version))
    .limit(countMax);
}

/** Makes a version usable under its digest; false when it was already, or is gone. */
export async function finishAdapterVersion(
  db: ControlDb,
  versionId: string,
  digest: string,
): Promise<boolean> {
  const open = and(eq(adapterVersions.id, versionId), isNull(adapterVersions.digest));
  const [finished] = await db.batch([
    db.update(adapterVersions).set({ digest }).where(open).returning(),
    db.delete(uploadParts).where(eq(uploadParts.objectId, versionId)),
  ]);
  return finished.length > 0;
}

/** Takes out versions whose upload began before a time and never ended; returns what they were. */
export async function dropStaleVersions(
  db: ControlDb,
  adapterId: string,
  beforeMs: number,
): Promise<readonly AdapterVersion[]> {
  const isStale = and(
    eq(adapterVersions.adapterId, adapterId),
    isNull(adapterVersions.digest),
    lt(adapterVersions.createdAtMs, beforeMs),
  );
  return db.delete(adapterVersions).where(isStale).returning();
}
