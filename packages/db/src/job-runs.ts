// Owns the queries of the hub's scheduled jobs. Invariant: a job has one claim at a time; a run whose claim is over
// does not overwrite the result of a later one.
import type { JobResult } from "@fairlane/protocol";
import { and, eq, lte, sql } from "drizzle-orm";
import type { ControlDb } from "./client.ts";
import { JOBS_MAX } from "./limits.ts";
import { jobRuns } from "./schema/control/job-runs.ts";

/** One job's row. */
export interface JobRun {
  readonly name: string;
  readonly runningSinceMs: number | null;
  readonly last: JobResult | null;
}

/** Of every job that was ever claimed. */
export async function listJobRuns(db: ControlDb): Promise<readonly JobRun[]> {
  const rows = await db.select().from(jobRuns).limit(JOBS_MAX);
  return rows.map(({ name, runningSinceMs, ...last }) => ({
    name,
    runningSinceMs,
    last: isResult(last) ? last : null,
  }));
}

/** Claims a job for a run; false while another run has it. */
export async function claimJob(
  db: ControlDb,
  claim: { readonly name: string; readonly nowMs: number; readonly leaseMs: number },
): Promise<boolean> {
  const { name, nowMs, leaseMs } = claim;
  const { runningSinceMs } = jobRuns;
  const claimed = await db
    .insert(jobRuns)
    .values({ name, runningSinceMs: nowMs })
    .onConflictDoUpdate({
      target: jobRuns.name,
      set: { runningSinceMs: nowMs },
      setWhere: sql`${runningSinceMs} IS NULL OR ${lte(runningSinceMs, nowMs - leaseMs)}`,
    })
    .returning({ name: jobRuns.name });
  return claimed.length === 1;
}

/** Ends the run that claimed the job at `result.startedAtMs`, and keeps its result. */
export async function finishJob(db: ControlDb, name: string, result: JobResult): Promise<void> {
  const isOwn = and(eq(jobRuns.name, name), eq(jobRuns.runningSinceMs, result.startedAtMs));
  await db
    .update(jobRuns)
    .set({ runningSinceMs: null, ...result })
    .where(isOwn);
}

function isResult(row: {
  readonly [Field in keyof JobResult]: JobResult[Field] | null;
}): row is JobResult {
  return row.endedAtMs !== null;
}
