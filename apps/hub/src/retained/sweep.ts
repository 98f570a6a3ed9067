// Owns the sweep of retained text: one bounded run, and where the next one goes on. Two runs at once do no harm: what is
// deleted twice is deleted.
import { sweepRetained } from "@fairlane/db";
import type { Job } from "../jobs/job.ts";

// Before every tenant's name in the order of names; a far end, so that no sweep takes it.
const POSITION = ".sweep-position";
const FOREVER = "9007199254740991";
const EVERY_MS = 3_600_000;

/** Deletes what has expired, going on where the last run ended. */
export const sweepJob: Job = {
  name: "retained-sweep",
  everyMs: EVERY_MS,
  async run({ RETAINED: bucket }, nowMs) {
    const position = await bucket.head(POSITION);
    const result = await sweepRetained(bucket, {
      nowMs,
      after: position?.customMetadata?.["after"],
    });
    const { seenCount, deletedCount, after } = result;
    if (after !== undefined) {
      const customMetadata = { after, "expires-at-ms": FOREVER };
      await bucket.put(POSITION, "", { customMetadata });
    } else if (position !== null) await bucket.delete(POSITION);
    return { isComplete: after === undefined, figures: { seenCount, deletedCount } };
  },
};
