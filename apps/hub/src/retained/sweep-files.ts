// Owns the end of files: those whose time is over, and the parts of uploads that nobody completed. The content goes
// first, then the row, so that a run that was cut off is taken up where it stood.
import {
  dropFiles,
  dropUploads,
  expiredFiles,
  expiredUploads,
  openControlDb,
  type ControlDb,
} from "@fairlane/db";
import type { HubEnv } from "../env.ts";
import type { Job } from "../jobs/job.ts";
import { FILES_SWEPT_MAX, SWEEP_ROUNDS_MAX } from "../limits.ts";

const EVERY_MS = 3_600_000;

/** Deletes what has expired, some rounds at a time. */
export const sweepFilesJob: Job = {
  name: "files-sweep",
  everyMs: EVERY_MS,
  async run(env, nowMs) {
    const db = openControlDb(env.CONTROL_DB);
    let fileCount = 0;
    let uploadCount = 0;
    for (let round = 0; round < SWEEP_ROUNDS_MAX; round++) {
      const [files, uploads] = [
        await sweepFiles(env, db, nowMs),
        await sweepUploads(env, db, nowMs),
      ];
      fileCount += files;
      uploadCount += uploads;
      if (files < FILES_SWEPT_MAX && uploads < FILES_SWEPT_MAX) {
        return { isComplete: true, figures: { fileCount, uploadCount } };
      }
    }
    return { isComplete: false, figures: { fileCount, uploadCount } };
  },
};

async function sweepFiles(env: HubEnv, db: ControlDb, nowMs: number): Promise<number> {
  const expired = await expiredFiles(db, { nowMs, countMax: FILES_SWEPT_MAX });
  if (expired.length === 0) return 0;
  await env.ARTIFACTS.delete(expired.map(({ tenantId, id }) => `${tenantId}/files/${id}`));
  const ids = expired.map(({ id }) => id);
  await dropFiles(db, ids);
  return ids.length;
}

async function sweepUploads(env: HubEnv, db: ControlDb, nowMs: number): Promise<number> {
  const expired = await expiredUploads(db, { nowMs, countMax: FILES_SWEPT_MAX });
  for (const { tenantId, id, pieceIds } of expired) {
    // As many as an upload has at most, which is what one deletion takes.
    const names = pieceIds.map((pieceId) => `${tenantId}/file-parts/${pieceId}`);
    if (names.length > 0) await env.ARTIFACTS.delete(names);
    await dropUploads(db, [id]);
  }
  return expired.length;
}
