// Owns the queries of uploads in parts. Another tenant's upload is not found by any of them.
import { and, count, eq, gt, sum } from "drizzle-orm";
import type { ControlDb } from "../client.ts";
import { uploadPieces, uploads } from "../schema/control/uploads.ts";

export type Upload = typeof uploads.$inferSelect;
export type UploadPiece = typeof uploadPieces.$inferSelect;

/** Begins an upload; false when the tenant has `countMax` under way. */
export async function createUpload(
  db: ControlDb,
  upload: Upload,
  countMax: number,
): Promise<boolean> {
  const isOpen = and(
    eq(uploads.tenantId, upload.tenantId),
    gt(uploads.expiresAtMs, upload.createdAtMs),
  );
  const [open] = await db.select({ total: count() }).from(uploads).where(isOpen);
  if (open !== undefined && open.total >= countMax) return false;
  await db.insert(uploads).values(upload);
  return true;
}

/** The upload if it is this tenant's and has not expired. */
export async function findUpload(
  db: ControlDb,
  own: { readonly tenantId: string; readonly uploadId: string },
  nowMs: number,
): Promise<Upload | undefined> {
  const isOwn = and(
    eq(uploads.id, own.uploadId),
    eq(uploads.tenantId, own.tenantId),
    gt(uploads.expiresAtMs, nowMs),
  );
  return (await db.select().from(uploads).where(isOwn).limit(1))[0];
}

/** What has arrived of an upload. */
export async function arrivedOf(
  db: ControlDb,
  uploadId: string,
): Promise<{ readonly count: number; readonly bytes: number }> {
  const [arrived] = await db
    .select({ count: count(), bytes: sum(uploadPieces.byteCount) })
    .from(uploadPieces)
    .where(eq(uploadPieces.uploadId, uploadId));
  return { count: arrived?.count ?? 0, bytes: Number(arrived?.bytes ?? 0) };
}

/** Adds a part. */
export async function addUploadPiece(db: ControlDb, piece: UploadPiece): Promise<void> {
  await db.insert(uploadPieces).values(piece);
}

/** The parts of an upload. */
export async function listUploadPieces(
  db: ControlDb,
  uploadId: string,
  countMax: number,
): Promise<readonly UploadPiece[]> {
  return db.select().from(uploadPieces).where(eq(uploadPieces.uploadId, uploadId)).limit(countMax);
}
