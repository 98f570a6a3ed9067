// The list of everything that the hub does on a schedule.
import { sweepFilesJob } from "../retained/sweep-files.ts";
import { sweepJob } from "../retained/sweep.ts";
import type { Job } from "./job.ts";

/** Every job; their order says nothing. */
export const ALL_JOBS: readonly Job[] = [sweepJob, sweepFilesJob];
