// Owns the queries of files. Another tenant's file, and one whose time is over, is not found by any of them.
import { and, asc, count, desc, eq, gt, lt } from "drizzle-orm";
import type { ControlDb } from "../client.ts";
import { files } from "../schema/control/files.ts";

export type StoredFile = typeof files.$inferSelect;

/** Adds a file, which may be repeated; false when the tenant has `countMax`. */
export async function createFile(
  db: ControlDb,
  file: StoredFile,
  countMax: number,
): Promise<boolean> {
  const mine = eq(files.tenantId, file.tenantId);
  const [owned] = await db.select({ total: count() }).from(files).where(mine);
  if (owned !== undefined && owned.total >= countMax) return false;
  await db.insert(files).values(file).onConflictDoNothing();
  return true;
}

/** The file if it is this tenant's and its time is not over. */
export async function findFile(
  db: ControlDb,
  own: { readonly tenantId: string; readonly fileId: string },
  nowMs: number,
): Promise<StoredFile | undefined> {
  const isLiving = and(isOwn(own.tenantId, own.fileId), gt(files.expiresAtMs, nowMs));
  return (await db.select().from(files).where(isLiving).limit(1))[0];
}

/** A tenant's files from one on (exclusive; undefined: from the first), newest or oldest first. */
export async function listFiles(
  db: ControlDb,
  tenantId: string,
  page: {
    readonly purpose: string | undefined;
    readonly after: string | undefined;
    readonly isNewestFirst: boolean;
    readonly countMax: number;
    readonly nowMs: number;
  },
): Promise<readonly StoredFile[]> {
  const { purpose, after, isNewestFirst, countMax, nowMs } = page;
  const [beyond, order] = isNewestFirst ? [lt, desc] : [gt, asc];
  const isWanted = and(
    eq(files.tenantId, tenantId),
    gt(files.expiresAtMs, nowMs),
    purpose === undefined ? undefined : eq(files.purpose, purpose as StoredFile["purpose"]),
    after === undefined ? undefined : beyond(files.id, after),
  );
  // Ids begin with their time.
  return db.select().from(files).where(isWanted).orderBy(order(files.id)).limit(countMax);
}

/** False when the tenant has no such file. */
export async function deleteFile(
  db: ControlDb,
  tenantId: string,
  fileId: string,
): Promise<boolean> {
  return (await db.delete(files).where(isOwn(tenantId, fileId)).returning()).length > 0;
}

function isOwn(tenantId: string, fileId: string) {
  return and(eq(files.id, fileId), eq(files.tenantId, tenantId));
}
