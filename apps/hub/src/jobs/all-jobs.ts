// The list of everything that the hub does on a schedule.
import { billingExportJob } from "../billing-events/export-job.ts";
import { erasureJob } from "../erasure/erasure-job.ts";
import { archiveJob } from "../invoicing/archive-job.ts";
import { draftJob } from "../invoicing/draft-job.ts";
import { sweepFilesJob } from "../retained/sweep-files.ts";
import { reconcileJob } from "../reconcile/reconcile-job.ts";
import { sweepJob } from "../retained/sweep.ts";
import type { Job } from "./job.ts";

/** Every job; their order says nothing. */
export const ALL_JOBS: readonly Job[] = [
  billingExportJob,
  reconcileJob,
  sweepJob,
  sweepFilesJob,
  erasureJob,
  draftJob,
  archiveJob,
];
