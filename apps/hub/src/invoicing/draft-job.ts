// Owns making the drafts of the month that is over, for every tenant that has something to pay in it. A draft that is there
// stays: making it again, and making it final, are the operator's.
import { newId, pooledRandom } from "@fairlane/base";
import { dueTenants, makeDraft, openControlDb, openLedgerDb } from "@fairlane/db";
import { ledgerLimits, windowAt } from "@fairlane/ledger";
import type { HubEnv } from "../env.ts";
import type { Job, JobWork } from "../jobs/job.ts";
import { DRAFTS_PER_RUN_MAX } from "../limits.ts";
import { logEvent } from "../log.ts";
import { systemClock } from "../system-clock.ts";

const EVERY_MS = 3_600_000;
const random = pooledRandom((target) => crypto.getRandomValues(target));

/** Makes what is missing, going through the tenants from the first one on in each run. */
export const draftJob: Job = { name: "invoice-drafts", everyMs: EVERY_MS, run: makeDrafts };

async function makeDrafts(env: HubEnv, nowMs: number): Promise<JobWork> {
  const { startMs } = windowAt("month", nowMs);
  const figures = { draftCount: 0, failedCount: 0 };
  if (nowMs < startMs + ledgerLimits.INVOICE_CLOSE_DELAY_MS) return { isComplete: true, figures };
  const period = windowAt("month", startMs - 1);
  const dbs = { control: openControlDb(env.CONTROL_DB), ledger: openLedgerDb(env.LEDGER_DB) };
  for (let afterId: string | null = ""; afterId !== null;) {
    const page = await dueTenants(dbs, period, afterId);
    for (const tenantId of page.tenantIds) {
      if (figures.draftCount >= DRAFTS_PER_RUN_MAX) return { isComplete: false, figures };
      const input = { tenantId, period, newId: newId("inv", systemClock, random), nowMs };
      const { kind } = await makeDraft(dbs, input);
      if (kind === "made") figures.draftCount += 1;
      if (kind !== "too_large") continue;
      figures.failedCount += 1;
      logEvent("error", "invoice_too_large", { tenantId, periodStartMs: period.startMs });
    }
    afterId = page.nextAfterId;
  }
  return { isComplete: true, figures };
}
