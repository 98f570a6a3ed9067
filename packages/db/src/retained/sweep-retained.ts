// Owns deleting retained objects whose time is over. Readers do not see them any more; this frees the space and
// makes the promise true that text is gone after its time.
import type { R2Bucket, R2Object } from "@cloudflare/workers-types";
import { SWEEP_PAGE_ENTRIES_MAX, SWEEP_PAGES_MAX } from "../limits.ts";
import { EXPIRES_FIELD } from "./retained-store.ts";

export interface SweepResult {
  readonly seenCount: number;
  readonly deletedCount: number;
  /** Where the next sweep goes on: the last name seen; undefined when this one reached the end. */
  readonly after: string | undefined;
}

/**
 * Deletes what has expired, at most SWEEP_PAGES_MAX pages of names at a time.
 * @param from.after of the sweep before, absent for the first
 */
export async function sweepRetained(
  bucket: R2Bucket,
  from: { readonly nowMs: number; readonly after?: string | undefined },
): Promise<SweepResult> {
  let { after } = from;
  let seenCount = 0;
  let deletedCount = 0;
  for (let page = 0; page < SWEEP_PAGES_MAX; page++) {
    const listed = await bucket.list({
      limit: SWEEP_PAGE_ENTRIES_MAX,
      include: ["customMetadata"],
      ...(after === undefined ? {} : { startAfter: after }),
    });
    const expired = listed.objects.filter((object) => isExpired(object, from.nowMs));
    if (expired.length > 0) await bucket.delete(expired.map(({ key }) => key));
    seenCount += listed.objects.length;
    deletedCount += expired.length;
    after = listed.objects.at(-1)?.key ?? after;
    if (!listed.truncated) return { seenCount, deletedCount, after: undefined };
  }
  return { seenCount, deletedCount, after };
}

/** An object without a time is none of the store's and has no reason to stay. */
function isExpired(object: R2Object, nowMs: number): boolean {
  return Number(object.customMetadata?.[EXPIRES_FIELD] ?? "0") <= nowMs;
}
