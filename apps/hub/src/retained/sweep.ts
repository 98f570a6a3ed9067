// Owns the hourly sweep of retained text: one bounded run, and where the next one goes on. Two runs at once, of two
// regions, do no harm: what is deleted twice is deleted.
import { sweepRetained } from "@fairlane/db";
import { logEvent } from "../log.ts";

// Before every tenant's name in the order of names; a far end, so that no sweep takes it.
const POSITION = ".sweep-position";
const FOREVER = "9007199254740991";

/** Deletes what has expired, going on where the last run ended. */
export async function sweep(bucket: R2Bucket, nowMs: number): Promise<void> {
  const position = await bucket.head(POSITION);
  const result = await sweepRetained(bucket, { nowMs, after: position?.customMetadata?.["after"] });
  const { seenCount, deletedCount, after } = result;
  if (after !== undefined) {
    const customMetadata = { after, "expires-at-ms": FOREVER };
    await bucket.put(POSITION, "", { customMetadata });
  } else if (position !== null) await bucket.delete(POSITION);
  logEvent("info", "retained_swept", { seenCount, deletedCount });
}
