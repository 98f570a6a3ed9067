// The entrypoint through which the edge sees and runs the hub's scheduled jobs. No other door leads to it: only a
// script of the same account with a service binding can call it, and the edge lets only the operator.
import { WorkerEntrypoint } from "cloudflare:workers";
import { listJobRuns, openControlDb } from "@fairlane/db";
import type { JobRunOutcome, JobsRpc, JobState } from "@fairlane/protocol";
import type { HubEnv } from "../env.ts";
import { systemClock } from "../system-clock.ts";
import { ALL_JOBS } from "./all-jobs.ts";
import { runJob } from "./run-jobs.ts";

export class JobRunner extends WorkerEntrypoint<HubEnv> implements JobsRpc {
  async listJobs(): Promise<readonly JobState[]> {
    const runs = await listJobRuns(openControlDb(this.env.CONTROL_DB));
    return ALL_JOBS.map(({ name, everyMs }) => {
      const run = runs.find((one) => one.name === name);
      return {
        name,
        everyMs,
        runningSinceMs: run?.runningSinceMs ?? null,
        last: run?.last ?? null,
      };
    });
  }

  async runJob(name: string): Promise<JobRunOutcome> {
    const job = ALL_JOBS.find((one) => one.name === name);
    if (!job) return { kind: "unknown" };
    const options = { env: this.env, jobs: ALL_JOBS, clock: systemClock };
    // Goes on for a while when the caller leaves; what is cut off there is taken up by the next tick.
    const running = runJob(options, job);
    this.ctx.waitUntil(running);
    if (!(await running)) return { kind: "busy" };
    const state = (await this.listJobs()).find((one) => one.name === name);
    return state ? { kind: "ran", job: state } : { kind: "unknown" };
  }
}
