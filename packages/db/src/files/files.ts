// Owns the queries of files. Another tenant's file is not found by any of them.
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

/** The file if it is this tenant's. */
export async function findFile(
  db: ControlDb,
  tenantId: string,
  fileId: string,
): Promise<StoredFile | undefined> {
  return (await db.select().from(files).where(isOwn(tenantId, fileId)).limit(1))[0];
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
  },
): Promise<readonly StoredFile[]> {
  const { purpose, after, isNewestFirst, countMax } = page;
  const [beyond, order] = isNewestFirst ? [lt, desc] : [gt, asc];
  const isWanted = and(
    eq(files.tenantId, tenantId),
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
