// The job that goes on with erasures: a few at a time, each step's progress kept, so that it may stop anywhere. One that
// fails holds up no other.
import { newId, type Random } from "@fairlane/base";
import {
  erasuresUnderway,
  finishErasure,
  noteErasure,
  openControlDb,
  type AuditEntry,
  type Erasure,
} from "@fairlane/db";
import type { Job } from "../jobs/job.ts";
import { ERASURES_PER_RUN_MAX } from "./limits.ts";
import { logEvent, reasonOf } from "../log.ts";
import { eraseStep, type ErasurePlace } from "./erase-tenant.ts";

const EVERY_MS = 60_000;

const random: Random = { fill: (target) => crypto.getRandomValues(target) };

/** Rejects when every erasure that it tried failed. */
export const erasureJob: Job = {
  name: "tenant-erasure",
  everyMs: EVERY_MS,
  async run(env, nowMs) {
    const place = { env, db: openControlDb(env.CONTROL_DB), nowMs };
    const underway = await erasuresUnderway(place.db, ERASURES_PER_RUN_MAX);
    let erasedCount = 0;
    const failures: unknown[] = [];
    for (const erasure of underway) {
      try {
        if (await goOn(place, erasure)) erasedCount += 1;
      } catch (error) {
        failures.push(error);
        const { tenantId, phase } = erasure;
        logEvent("error", "erasure_failed", { tenantId, phase, reason: reasonOf(error) });
      }
    }
    if (failures.length > 0 && failures.length === underway.length) throw failures[0];
    const figures = {
      underwayCount: underway.length - erasedCount,
      erasedCount,
      failedCount: failures.length,
    };
    return { isComplete: true, figures };
  },
};

/** Takes steps until the erasure waits, has done enough for now, or is done; true for the last. */
async function goOn(place: ErasurePlace, begun: Erasure): Promise<boolean> {
  const { db, nowMs } = place;
  for (let erasure = begun; ;) {
    const { mayGoOn, ...progress } = await eraseStep(place, erasure);
    erasure = { ...erasure, ...progress };
    const { tenantId, counts } = erasure;
    if (erasure.phase === "done") {
      await finishErasure(db, { tenantId, counts, erasedAtMs: nowMs }, endOf(erasure, nowMs));
      logEvent("info", "tenant_erased", { tenantId, ...counts });
      return true;
    }
    await noteErasure(db, erasure);
    if (!mayGoOn) return false;
  }
}

/** What the audit log says of the end. */
function endOf({ tenantId, counts }: Erasure, atMs: number): AuditEntry {
  return {
    id: newId("aud", { nowMs: () => atMs }, random),
    atMs,
    tenantId,
    actorKind: "operator",
    actorId: "operator",
    action: "tenant.erased",
    target: tenantId,
    ip: null,
    requestId: "",
    details: counts,
  };
}
