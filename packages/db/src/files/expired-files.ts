// Owns taking files out whose time is over: of all tenants, some at a time.
import { assert } from "@fairlane/base";
import { inArray, lte } from "drizzle-orm";
import type { ControlDb } from "../client.ts";
import { FILES_DROPPED_MAX } from "../limits.ts";
import { files } from "../schema/control/files.ts";
import type { StoredFile } from "./files.ts";

/** Some files whose time is over, of all tenants. Their content goes first, then they are dropped. */
export async function expiredFiles(
  db: ControlDb,
  expired: { readonly nowMs: number; readonly countMax: number },
): Promise<readonly Pick<StoredFile, "id" | "tenantId">[]> {
  return db
    .select({ id: files.id, tenantId: files.tenantId })
    .from(files)
    .where(lte(files.expiresAtMs, expired.nowMs))
    .limit(expired.countMax);
}

/** Takes files out, at most FILES_DROPPED_MAX. */
export async function dropFiles(db: ControlDb, fileIds: readonly string[]): Promise<void> {
  assert(fileIds.length <= FILES_DROPPED_MAX, `${fileIds.length} files at once`);
  if (fileIds.length > 0) await db.delete(files).where(inArray(files.id, [...fileIds]));
}
