// Owns the queries of what has arrived of uploads in parts.
import { asc, eq } from "drizzle-orm";
import type { ControlDb } from "../client.ts";
import { uploadParts } from "../schema/control/upload-parts.ts";

export type UploadPart = typeof uploadParts.$inferSelect;

/** Notes a part; one that comes again replaces the earlier. */
export async function putUploadPart(db: ControlDb, part: UploadPart): Promise<void> {
  const { etag } = part;
  await db
    .insert(uploadParts)
    .values(part)
    .onConflictDoUpdate({ target: [uploadParts.objectId, uploadParts.partNumber], set: { etag } });
}

/** The parts of an upload by number. */
export async function listUploadParts(
  db: ControlDb,
  objectId: string,
  countMax: number,
): Promise<readonly UploadPart[]> {
  return db
    .select()
    .from(uploadParts)
    .where(eq(uploadParts.objectId, objectId))
    .orderBy(asc(uploadParts.partNumber))
    .limit(countMax);
}

/** Forgets the parts of an upload. */
export async function dropUploadParts(db: ControlDb, objectId: string): Promise<void> {
  await db.delete(uploadParts).where(eq(uploadParts.objectId, objectId));
}
