// The operator's view of the hub's scheduled jobs, and running one at once.
import { AppError, type JobsRpc, type JobState } from "@fairlane/protocol";
import { audited } from "../auth/audit-entry.ts";
import { authenticateAdmin } from "../auth/authenticate-admin.ts";
import { OPERATOR } from "../auth/authorize.ts";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { logFailure } from "../errors/log-failure.ts";
import { JOB_WAIT_MS, RETRY_AFTER_MS } from "../limits.ts";
import { withTimeout } from "../with-timeout.ts";

/** GET /v1/fairlane/admin/jobs */
export function jobsRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    await authenticateAdmin(context.req.raw.headers, deps.config.adminTokenHash);
    const jobs = await askHub(context, deps, (hub) => hub.listJobs());
    return Response.json({ object: "list", data: jobs.map(jobBody), has_more: false });
  };
}

/** POST /v1/fairlane/admin/jobs/{job}/run: answers when the run has ended. */
export function runJobRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    await authenticateAdmin(context.req.raw.headers, deps.config.adminTokenHash);
    const name = context.req.param("job") ?? "";
    const jobs = await askHub(context, deps, (hub) => hub.listJobs());
    if (!jobs.some((job) => job.name === name)) throw unknownJob();
    // Before the run: an answer that does not come in time leaves no run without its entry.
    const caller = { tenantId: null, actor: OPERATOR };
    await audited(context, deps, { caller, action: "job.run", target: name });
    const outcome = await askHub(context, deps, (hub) => hub.runJob(name));
    if (outcome.kind === "ran") return Response.json(jobBody(outcome.job));
    if (outcome.kind === "unknown") throw unknownJob();
    const retryAfterMs = RETRY_AFTER_MS;
    throw new AppError("job_running", "The job runs already; see its result.", { retryAfterMs });
  };
}

function unknownJob(): AppError {
  return new AppError("not_found", "There is no such job.", { param: "job" });
}

async function askHub<T>(
  context: EdgeContext,
  deps: EdgeDependencies,
  ask: (hub: JobsRpc) => Promise<T>,
): Promise<T> {
  try {
    return await withTimeout(ask(deps.config.jobs), JOB_WAIT_MS);
  } catch (error) {
    logFailure("job_not_run", context.get("requestId"), error);
    const message = "The hub has not answered in time; a job that was begun goes on.";
    throw new AppError("storage_unavailable", message, { retryAfterMs: RETRY_AFTER_MS });
  }
}

function jobBody({ name, everyMs, runningSinceMs, last }: JobState) {
  return {
    object: "fairlane.job",
    name,
    every_ms: everyMs,
    running_since_ms: runningSinceMs,
    last_run: last && {
      started_at_ms: last.startedAtMs,
      ended_at_ms: last.endedAtMs,
      outcome: last.outcome,
      is_complete: last.isComplete,
      figures: last.figures,
      error: last.error,
    },
  };
}
