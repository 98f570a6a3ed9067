// The hub script: exports the Durable Objects and serves the door that nodes dial. Wiring only.
import { AppError, errorBody, errorHead } from "@fairlane/protocol";
import { isAdapterPath, serveAdapter } from "./adapters/serve-adapter.ts";
import { hubConfig, type HubEnv } from "./env.ts";
import { ALL_JOBS } from "./jobs/all-jobs.ts";
import { runJobs } from "./jobs/run-jobs.ts";
import { openLink } from "./region-hub/open-link.ts";
import { systemClock } from "./system-clock.ts";

export { BatchRun } from "./batch-run/batch-run.ts";
export { JobRunner } from "./jobs/job-runner.ts";
export { RegionHub } from "./region-hub/region-hub.ts";
export { TenantAccount } from "./tenant-account/tenant-account.ts";
export { UsageIntake } from "./usage-intake/usage-intake.ts";

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    try {
      if (url.pathname === "/health") {
        return Response.json({ status: "ok", region: hubConfig(env).region });
      }
      if (url.pathname === "/wire/v1/link") return await openLink(request, env);
      if (isAdapterPath(url.pathname)) return await serveAdapter(request, env);
      throw new AppError("not_found", "The hub serves nodes only: /wire/v1 and /health.");
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      const { status, headers } = errorHead(error.value);
      return Response.json(errorBody(error.value), { status, headers });
    }
  },
  async scheduled(_controller, env) {
    await runJobs({ env, jobs: ALL_JOBS, clock: systemClock });
  },
} satisfies ExportedHandler<HubEnv>;
