// Owns taking uploads out again: those that are completed or given up, and a tenant's expired ones.
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
