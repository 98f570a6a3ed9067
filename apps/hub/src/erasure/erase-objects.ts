// Owns deleting what a tenant has in the buckets: its files and their parts, its adapters, and all text that is retained of
// it. What was archived for the books lies elsewhere and stays.
import { openAdapterUploads, type ControlDb } from "@fairlane/db";
import { adapterObjects } from "@fairlane/protocol";
import type { HubEnv } from "../env.ts";
import { ERASED_OBJECTS_MAX, ERASED_PAGES_MAX } from "./limits.ts";

const ARTIFACT_KINDS = ["files", "file-parts", "adapters", "adapter-configs"] as const;

/** Deletes some pages of objects; `isDone` when none is left. May be repeated. */
export async function eraseObjects(
  env: HubEnv,
  db: ControlDb,
  tenantId: string,
): Promise<{ readonly deleted: number; readonly isDone: boolean }> {
  for (const { versionId, uploadId } of await openAdapterUploads(db, tenantId)) {
    const { weights } = adapterObjects({ tenantId, versionId });
    // One that has ended is none any more.
    await env.ARTIFACTS.resumeMultipartUpload(weights, uploadId)
      .abort()
      .catch(() => undefined);
  }
  const places: readonly (readonly [R2Bucket, string])[] = [
    ...ARTIFACT_KINDS.map((kind) => [env.ARTIFACTS, `${tenantId}/${kind}/`] as const),
    [env.RETAINED, `${tenantId}/`],
  ];
  let deleted = 0;
  let pagesLeft = ERASED_PAGES_MAX;
  for (const [bucket, prefix] of places) {
    while (pagesLeft > 0) {
      // Always the first page: what was listed before is gone.
      const { objects } = await bucket.list({ prefix, limit: ERASED_OBJECTS_MAX });
      if (objects.length === 0) break;
      await bucket.delete(objects.map(({ key }) => key));
      deleted += objects.length;
      pagesLeft -= 1;
    }
  }
  return { deleted, isDone: pagesLeft > 0 };
}
