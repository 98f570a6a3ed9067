// Owns the types of the hub's scheduled jobs as the edge sees them: what there is, how each ended last, and how one is
// run at once. Plain data only: it crosses isolates.

/** What a run counted: ids and numbers, never text of a tenant. */
export type JobFigures = Readonly<Record<string, number | string | boolean>>;

/** How the last run that ended went. */
export interface JobResult {
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly outcome: "succeeded" | "failed";
  /** False when it stopped at its bound: the next tick goes on. */
  readonly isComplete: boolean;
  readonly figures: JobFigures;
  /** Why it failed. */
  readonly error: string | null;
}

export interface JobState {
  readonly name: string;
  /** Least time between the starts of two runs. */
  readonly everyMs: number;
  /** Null while it does not run. */
  readonly runningSinceMs: number | null;
  /** Null before the first one has ended. */
  readonly last: JobResult | null;
}

/** "busy": it runs already; "unknown": there is no such job. */
export type JobRunOutcome =
  { readonly kind: "ran"; readonly job: JobState } | { readonly kind: "busy" | "unknown" };

/** The RPC surface of the hub's entrypoint JobRunner. */
export interface JobsRpc {
  listJobs(): Promise<readonly JobState[]>;
  /** Runs a job now, due or not; answers when it has ended. */
  runJob(name: string): Promise<JobRunOutcome>;
}
