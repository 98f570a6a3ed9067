// Owns taking uploads out again: those that are completed or given up, and expired ones.
import { and, eq, inArray, lte } from "drizzle-orm";
import type { ControlDb } from "../client.ts";
import { uploadPieces, uploads } from "../schema/control/uploads.ts";

/** Takes an upload out; returns its parts' ids. */
export async function dropUpload(db: ControlDb, uploadId: string): Promise<readonly string[]> {
  const [pieces] = await db.batch([
    db.delete(uploadPieces).where(eq(uploadPieces.uploadId, uploadId)).returning(),
    db.delete(uploads).where(eq(uploads.id, uploadId)),
  ]);
  return pieces.map(({ id }) => id);
}

/** Some uploads of all tenants whose time is over, with the ids of their parts. */
export async function expiredUploads(
  db: ControlDb,
  expired: { readonly nowMs: number; readonly countMax: number },
): Promise<readonly { id: string; tenantId: string; pieceIds: readonly string[] }[]> {
  const rows = await db
    .select({ id: uploads.id, tenantId: uploads.tenantId })
    .from(uploads)
    .where(lte(uploads.expiresAtMs, expired.nowMs))
    .limit(expired.countMax);
  return Promise.all(
    rows.map(async ({ id, tenantId }) => {
      const isOf = eq(uploadPieces.uploadId, id);
      const pieces = await db.select({ id: uploadPieces.id }).from(uploadPieces).where(isOf);
      return { id, tenantId, pieceIds: pieces.map((piece) => piece.id) };
    }),
  );
}

/** Takes uploads out with their parts' rows. */
export async function dropUploads(db: ControlDb, uploadIds: readonly string[]): Promise<void> {
  const ids = [...uploadIds];
  await db.batch([
    db.delete(uploadPieces).where(inArray(uploadPieces.uploadId, ids)),
    db.delete(uploads).where(inArray(uploads.id, ids)),
  ]);
}

/** Takes a tenant's expired uploads out, some at a time; returns their parts' ids. */
export async function dropExpiredUploads(
  db: ControlDb,
  tenantId: string,
  expired: { readonly nowMs: number; readonly countMax: number },
): Promise<readonly string[]> {
  const isExpired = and(eq(uploads.tenantId, tenantId), lte(uploads.expiresAtMs, expired.nowMs));
  const rows = await db
    .select({ id: uploads.id })
    .from(uploads)
    .where(isExpired)
    .limit(expired.countMax);
  if (rows.length === 0) return [];
  const ids = rows.map(({ id }) => id);
  const [pieces] = await db.batch([
    db.delete(uploadPieces).where(inArray(uploadPieces.uploadId, ids)).returning(),
    db.delete(uploads).where(inArray(uploads.id, ids)),
  ]);
  return pieces.map(({ id }) => id);
}
