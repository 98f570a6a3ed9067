// Owns the job that tells a billing system of every ledger entry, in the order of the ledger: rows after a cursor, told at
// least once under ids that never change, the cursor raised only once they were taken. Invariant: a crash anywhere
// repeats events and loses none; the endpoint's failures delay the export and never end it.
import {
  commitDelivery,
  customersOf,
  dropRejections,
  findBillingExport,
  keepRejections,
  ledgerRowsAfter,
  ledgerRowsLeft,
  ledgerRowsOf,
  listRejections,
  noteExportFailure,
  openControlDb,
  openLedgerDb,
  retriedPositions,
  type BillingExport,
  type ControlDb,
  type LedgerDb,
  type NumberedRow,
} from "@fairlane/db";
import { usageEventId } from "@fairlane/ledger";
import { BILLING_SECRET_PURPOSE, openSecret } from "@fairlane/protocol";
import { hubConfig, type HubEnv } from "../env.ts";
import type { Job, JobWork } from "../jobs/job.ts";
import * as bounds from "../limits.ts";
import { reasonOf } from "../log.ts";
import { NO_CUSTOMER, postEvents, type Refusal } from "./post-events.ts";

const EVERY_MS = 60_000;

interface Export {
  readonly env: HubEnv;
  readonly controlDb: ControlDb;
  readonly ledger: LedgerDb;
  readonly settings: BillingExport;
  readonly secret: string;
  readonly nowMs: number;
}

/** Delivers what is new, a bounded number of batches at a time. */
export const billingExportJob: Job = {
  name: "billing-export",
  everyMs: EVERY_MS,
  async run(env, nowMs) {
    const controlDb = openControlDb(env.CONTROL_DB);
    const settings = await findBillingExport(controlDb);
    if (!settings) return { isComplete: true, figures: { isConfigured: false } };
    if (settings.retryAtMs > nowMs) {
      const { failureCount, retryAtMs } = settings;
      return { isComplete: true, figures: { isConfigured: true, failureCount, retryAtMs } };
    }
    try {
      const { keyPepper } = hubConfig(env);
      const secret = await openSecret(keyPepper, BILLING_SECRET_PURPOSE, settings.sealedSecret);
      const ledger = openLedgerDb(env.LEDGER_DB);
      return await deliver({ env, controlDb, ledger, settings, secret, nowMs });
    } catch (error) {
      await noteFailure(controlDb, settings, { nowMs, reason: reasonOf(error) });
      throw error;
    }
  },
};

async function deliver(one: Export): Promise<JobWork> {
  const { controlDb, ledger, settings, nowMs } = one;
  const { count: rejections } = await listRejections(controlDb, 0);
  const retriedCount = await retry(one);
  if (rejections >= bounds.BILLING_REJECTIONS_MAX) {
    throw new Error(`${rejections} refused entries wait, bound ${bounds.BILLING_REJECTIONS_MAX}`);
  }
  const rowsMax = settings.kind === "stripe" ? bounds.METERED_ROWS_MAX : bounds.EXPORTED_ROWS_MAX;
  let { cursor } = settings;
  let entries = 0;
  let isComplete = false;
  for (let batch = 0; batch < bounds.EXPORT_BATCHES_MAX && !isComplete; batch++) {
    const rows = await ledgerRowsAfter(ledger, cursor, rowsMax);
    const last = rows.at(-1);
    if (last) {
      const refused = await post(one, rows);
      refuseToLoseAll(rows, refused);
      await keepRejections(controlDb, refused.map(rejectionAt(nowMs)));
      const deliveredEntries = rows.length - refused.length;
      const from = { changedAtMs: settings.changedAtMs, cursor };
      const done = { cursor: last.position, deliveredEntries, nowMs };
      // Other settings came meanwhile: they go on from their own cursor.
      if (!(await commitDelivery(controlDb, from, done))) break;
      cursor = last.position;
      entries += deliveredEntries;
    }
    isComplete = rows.length < rowsMax;
  }
  const lagEntries = await ledgerRowsLeft(ledger, cursor);
  const figures = {
    isConfigured: true,
    deliveredEntries: entries,
    retriedCount,
    cursor,
    lagEntries,
  };
  return { isComplete, figures };
}

/**
 * Throws when every entry of several tenants is refused: then it is the address, the key or the mapping that is wrong,
 * and the entries are told again once it is right.
 */
function refuseToLoseAll(rows: readonly NumberedRow[], refused: readonly Refusal[]): void {
  const byEndpoint = refused.filter(({ reason }) => reason !== NO_CUSTOMER);
  const tenants = new Set(byEndpoint.map(({ row }) => row.tenantId));
  if (byEndpoint.length < rows.length || tenants.size < 2) return;
  throw new Error(`the endpoint refuses every event: ${byEndpoint[0]?.reason}`);
}

/** Tries refused entries again that the operator has asked for; returns how many were taken. */
async function retry(one: Export): Promise<number> {
  const { controlDb, ledger, nowMs } = one;
  const rows = await ledgerRowsOf(ledger, await retriedPositions(controlDb));
  if (rows.length === 0) return 0;
  const refused = await post(one, rows);
  const isRefused = new Set(refused.map(({ row }) => row.position));
  await keepRejections(controlDb, refused.map(rejectionAt(nowMs)));
  const taken = rows.map(({ position }) => position).filter((position) => !isRefused.has(position));
  await dropRejections(controlDb, taken);
  return taken.length;
}

async function post(one: Export, rows: readonly NumberedRow[]): Promise<readonly Refusal[]> {
  const { controlDb, settings, secret, nowMs } = one;
  const customers = await customersOf(controlDb, [...new Set(rows.map((row) => row.tenantId))]);
  return postEvents({ ...settings, secret, customers, nowMs }, rows);
}

function rejectionAt(rejectedAtMs: number) {
  return ({ row, reason }: Refusal) => ({
    position: row.position,
    eventId: usageEventId(row),
    tenantId: row.tenantId,
    reason,
    rejectedAtMs,
  });
}

async function noteFailure(
  controlDb: ControlDb,
  settings: BillingExport,
  { nowMs, reason }: { readonly nowMs: number; readonly reason: string },
): Promise<void> {
  const failureCount = settings.failureCount + 1;
  const pauseMs = Math.min(
    bounds.EXPORT_PAUSE_MS_MAX,
    EVERY_MS * 2 ** Math.min(failureCount - 1, 10),
  );
  // The first failure is tried again at the next tick.
  const retryAtMs = nowMs + (failureCount === 1 ? 0 : pauseMs);
  const failure = { failureCount, retryAtMs, lastError: reason, lastErrorAtMs: nowMs };
  await noteExportFailure(controlDb, settings.changedAtMs, failure);
}
