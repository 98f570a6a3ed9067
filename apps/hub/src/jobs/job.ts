// Owns what a scheduled job is. A job takes a bounded piece of work at a time, may be stopped anywhere and run again,
// and two runs of it at once do no harm.
import type { JobFigures } from "@fairlane/protocol";
import type { HubEnv } from "../env.ts";

/** What one run did. */
export interface JobWork {
  /** False when it stopped at its bound: it goes on at the next tick. */
  readonly isComplete: boolean;
  /** Shown to the operator and logged. */
  readonly figures: JobFigures;
}

export interface Job {
  /** kebab-case; its row and its path. */
  readonly name: string;
  /** Least time between the starts of two runs. */
  readonly everyMs: number;
  /** Rejects when it failed. */
  run(env: HubEnv, nowMs: number): Promise<JobWork>;
}
