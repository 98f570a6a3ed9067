// Owns the table of the hub's scheduled jobs: one row a job, with the result of its last run that ended and a claim
// while it runs. Times are milliseconds since 1970 UTC.
import type { JobFigures, JobResult } from "@fairlane/protocol";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const jobRuns = sqliteTable("job_runs", {
  name: text("name").primaryKey(),
  /** Null while it does not run; a claim that is older than its lease is nobody's. */
  runningSinceMs: integer("running_since_ms"),
  /** Null before the first run has ended, as are the others. */
  startedAtMs: integer("started_at_ms"),
  endedAtMs: integer("ended_at_ms"),
  outcome: text("outcome").$type<JobResult["outcome"]>(),
  isComplete: integer("is_complete", { mode: "boolean" }),
  figures: text("figures", { mode: "json" }).$type<JobFigures>(),
  error: text("error"),
});
