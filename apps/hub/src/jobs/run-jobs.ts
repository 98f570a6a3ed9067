// Owns the running of scheduled jobs: which are due, one run of each at a time, each caught, bounded in time and
// logged alone, its result kept in the control database. Invariant: a job that fails or hangs holds up no other.
import type { Clock } from "@fairlane/base";
import {
  claimJob,
  finishJob,
  listJobRuns,
  openControlDb,
  type ControlDb,
  type JobRun,
} from "@fairlane/db";
import type { JobResult } from "@fairlane/protocol";
import type { HubEnv } from "../env.ts";
import { JOB_LEASE_MS, JOB_RETRY_MS, JOB_TICK_MS, JOB_TIMEOUT_MS } from "../limits.ts";
import { logEvent, reasonOf } from "../log.ts";
import { withTimeout } from "../retry.ts";
import type { Job } from "./job.ts";

export interface JobsOptions {
  readonly env: HubEnv;
  readonly jobs: readonly Job[];
  readonly clock: Clock;
}

/** Runs every job that is due. Rejects only when the control database cannot say which. */
export async function runJobs(options: JobsOptions): Promise<void> {
  const { env, jobs, clock } = options;
  const known = new Map(
    (await listJobRuns(openControlDb(env.CONTROL_DB))).map((run) => [run.name, run]),
  );
  const due = jobs.filter((job) => isDue(job, known.get(job.name), clock.nowMs()));
  await Promise.all(due.map((job) => runQuietly(options, job)));
}

/** Runs a job, due or not; false while another run of it has not ended. */
export async function runJob(options: JobsOptions, job: Job): Promise<boolean> {
  const { env, clock } = options;
  const db = openControlDb(env.CONTROL_DB);
  const startedAtMs = clock.nowMs();
  const claim = { name: job.name, nowMs: startedAtMs, leaseMs: JOB_LEASE_MS };
  if (!(await claimJob(db, claim))) return false;
  const done = await outcomeOf(job, env, startedAtMs);
  await finish(db, job, { startedAtMs, endedAtMs: clock.nowMs(), ...done });
  return true;
}

async function runQuietly(options: JobsOptions, job: Job): Promise<void> {
  try {
    await runJob(options, job);
  } catch (error) {
    logEvent("error", "job_not_recorded", { job: job.name, reason: reasonOf(error) });
  }
}

async function outcomeOf(
  job: Job,
  env: HubEnv,
  nowMs: number,
): Promise<Omit<JobResult, "startedAtMs" | "endedAtMs">> {
  try {
    const { isComplete, figures } = await withTimeout(job.run(env, nowMs), JOB_TIMEOUT_MS);
    return { outcome: "succeeded", isComplete, figures, error: null };
  } catch (error) {
    return { outcome: "failed", isComplete: false, figures: {}, error: reasonOf(error) };
  }
}

async function finish(db: ControlDb, job: Job, result: JobResult): Promise<void> {
  const { outcome, isComplete, figures, error, startedAtMs, endedAtMs } = result;
  const fields = { ...figures, job: job.name, isComplete, tookMs: endedAtMs - startedAtMs };
  if (outcome === "failed") logEvent("error", "job_failed", { ...fields, reason: error });
  else logEvent("info", "job_done", fields);
  await finishJob(db, job.name, result);
}

/** Ticks come a little early or late, so half a tick is nothing. */
function isDue(job: Job, run: JobRun | undefined, nowMs: number): boolean {
  if (!run) return true;
  if (run.runningSinceMs !== null && nowMs - run.runningSinceMs < JOB_LEASE_MS) return false;
  if (!run.last) return true;
  const { startedAtMs, outcome, isComplete } = run.last;
  if (outcome === "succeeded" && !isComplete) return true;
  const pauseMs = outcome === "failed" ? Math.min(job.everyMs, JOB_RETRY_MS) : job.everyMs;
  return nowMs >= startedAtMs + pauseMs - JOB_TICK_MS / 2;
}
