// Scheduled jobs over the real control database: what is due, what fails alone, and one run of each at a time.
import { createScheduledController } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { uniqueId } from "../../test/hub-request.ts";
import hub from "../index.ts";
import type { Job, JobWork } from "./job.ts";
import { runJob, runJobs } from "./run-jobs.ts";

const HOUR_MS = 3_600_000;
const START_MS = 1_793_491_200_000;

/** A job that counts its runs; `work` ends each. */
function jobOf(work: (run: number) => Promise<JobWork> = done) {
  let runs = 0;
  const job: Job = { name: uniqueId("job"), everyMs: HOUR_MS, run: () => work(++runs) };
  return { job, runs: () => runs };
}

const done = (runCount: number): Promise<JobWork> =>
  Promise.resolve({ isComplete: true, figures: { runCount } });

const at = (nowMs: number, ...jobs: readonly Job[]) => ({
  env,
  jobs,
  clock: { nowMs: () => nowMs },
});

async function rowOf(name: string) {
  return env.CONTROL_DB.prepare("SELECT * FROM job_runs WHERE name = ?").bind(name).first();
}

describe("a tick", () => {
  it("runs a job when its time has come, and keeps what it did", async () => {
    const { job, runs } = jobOf();
    await runJobs(at(START_MS, job));
    expect(await rowOf(job.name)).toEqual({
      name: job.name,
      running_since_ms: null,
      started_at_ms: START_MS,
      ended_at_ms: START_MS,
      outcome: "succeeded",
      is_complete: 1,
      figures: '{"runCount":1}',
      error: null,
    });
    await runJobs(at(START_MS + HOUR_MS - 31_000, job));
    expect(runs()).toBe(1);
    await runJobs(at(START_MS + HOUR_MS - 30_000, job));
    expect(runs()).toBe(2);
  });

  it("goes on at the next tick with a job that stopped at its bound", async () => {
    const { job, runs } = jobOf((run) => Promise.resolve({ isComplete: run === 2, figures: {} }));
    for (let tick = 0; tick < 4; tick++) await runJobs(at(START_MS + tick * 60_000, job));
    expect(runs()).toBe(2);
  });

  it("runs the others when one fails, and the failed one again after five minutes", async () => {
    const failing = jobOf(() => Promise.reject(new Error("the bucket is away")));
    const sound = jobOf();
    const tick = (minutes: number) =>
      runJobs(at(START_MS + minutes * 60_000, failing.job, sound.job));
    await tick(0);
    expect(sound.runs()).toBe(1);
    expect(await rowOf(failing.job.name)).toMatchObject({
      outcome: "failed",
      error: "the bucket is away",
      running_since_ms: null,
    });
    await tick(4);
    await tick(5);
    expect([failing.runs(), sound.runs()]).toEqual([2, 1]);
  });
});

describe("a run", () => {
  it("is the only one of its job until it ends or is lost", async () => {
    const { promise, resolve } = Promise.withResolvers<JobWork>();
    const { job, runs } = jobOf((run) => (run === 1 ? promise : done(run)));
    const first = runJob(at(START_MS), job);
    await expect.poll(runs).toBe(1);
    expect(await runJob(at(START_MS + 899_999), job)).toBe(false);
    // As if the script had died: nobody ends a claim of 15 minutes.
    expect(await runJob(at(START_MS + 900_000), job)).toBe(true);
    resolve(await done(1));
    expect(await first).toBe(true);
    // And the lost one does not overwrite the result of the other.
    expect(await rowOf(job.name)).toMatchObject({ started_at_ms: START_MS + 900_000 });
  });
});

describe("the hub's script", () => {
  it("ticks, lists its jobs with their results and runs one by name", async () => {
    await hub.scheduled(createScheduledController(), env);
    const runner = exports.JobRunner;
    const sweep = (await runner.listJobs()).find(({ name }) => name === "retained-sweep");
    expect(sweep).toMatchObject({
      everyMs: HOUR_MS,
      runningSinceMs: null,
      last: { outcome: "succeeded", isComplete: true, figures: { seenCount: 0, deletedCount: 0 } },
    });
    await env.RETAINED.put("ten_a/response/resp_1", "x", {
      customMetadata: { "expires-at-ms": "1" },
    });
    expect(await runner.runJob("retained-sweep")).toMatchObject({
      kind: "ran",
      job: { last: { figures: { seenCount: 1, deletedCount: 1 } } },
    });
    expect(await runner.runJob("nothing")).toEqual({ kind: "unknown" });
  });
});
