// Owns moving the entries of old final invoices from the ledger to the bucket, part by part: written, read back, and then
// taken out of the ledger in the batch that writes the part's sums. Invariant: an entry leaves the ledger only when it can be
// read in the bucket, and whatever is cut off anywhere is done again by the next run to the same effect.
import { assert } from "@fairlane/base";
import {
  archivePartsOf,
  cutOf,
  dropArchived,
  entriesOfCut,
  finishArchive,
  invoicesToArchive,
  openControlDb,
  openLedgerDb,
  startArchive,
  sumsOfCut,
  type ArchivedEntry,
  type ArchivePart,
  type ControlDb,
  type InvoiceRow,
  type LedgerDb,
} from "@fairlane/db";
import type { HubEnv } from "../env.ts";
import type { Job, JobWork } from "../jobs/job.ts";
import {
  ARCHIVE_AFTER_MS,
  ARCHIVE_INVOICES_PER_PAGE_MAX,
  ARCHIVE_PART_ENTRIES_MAX,
  ARCHIVE_PARTS_PER_RUN_MAX,
  SETTLE_TIMEOUT_MS,
} from "../limits.ts";
import { logEvent, reasonOf } from "../log.ts";
import { objectsOf } from "../objects.ts";
import { withTimeout } from "../retry.ts";
import { archiveFolder, writeEntries } from "./archive-object.ts";

const EVERY_MS = 3_600_000;

export const archiveJob: Job = {
  name: "ledger-archive",
  everyMs: EVERY_MS,
  run: (env, nowMs) => archive(env, nowMs, ARCHIVE_PART_ENTRIES_MAX),
};

interface Run {
  readonly env: HubEnv;
  readonly control: ControlDb;
  readonly ledger: LedgerDb;
  readonly nowMs: number;
  readonly partEntries: number;
}

/** One run; rejects at its end when an invoice failed, the others done. @param partEntries entries of a part */
export async function archive(env: HubEnv, nowMs: number, partEntries: number): Promise<JobWork> {
  const dbs = { control: openControlDb(env.CONTROL_DB), ledger: openLedgerDb(env.LEDGER_DB) };
  const run = { env, ...dbs, nowMs, partEntries };
  const figures = { invoiceCount: 0, partCount: 0, entryCount: 0, heldCount: 0 };
  const page = { finalBeforeMs: nowMs - ARCHIVE_AFTER_MS, rowsMax: ARCHIVE_INVOICES_PER_PAGE_MAX };
  const failures: unknown[] = [];
  let invoices: readonly InvoiceRow[] = [];
  do {
    const afterNumber: number = invoices.at(-1)?.number ?? 0;
    invoices = await invoicesToArchive(dbs.control, { ...page, afterNumber });
    for (const invoice of invoices) {
      const partsMax = ARCHIVE_PARTS_PER_RUN_MAX - figures.partCount;
      if (partsMax === 0) return { isComplete: false, figures };
      try {
        await addDone(figures, run, { invoice, partsMax });
      } catch (error) {
        logEvent("error", "archive_failed", { invoiceId: invoice.id, reason: reasonOf(error) });
        failures.push(error);
      }
    }
  } while (invoices.length === ARCHIVE_INVOICES_PER_PAGE_MAX);
  if (failures.length > 0) throw new Error(`${failures.length} invoices failed`);
  return { isComplete: figures.partCount < ARCHIVE_PARTS_PER_RUN_MAX, figures };
}

async function addDone(
  figures: { invoiceCount: number; partCount: number; entryCount: number; heldCount: number },
  run: Run,
  { invoice, partsMax }: { readonly invoice: InvoiceRow; readonly partsMax: number },
): Promise<void> {
  if (!(await isReady(run, invoice))) {
    figures.heldCount += 1;
    return;
  }
  const { partCount, entryCount, isComplete } = await archiveInvoice(run, invoice, partsMax);
  figures.partCount += partCount;
  figures.entryCount += entryCount;
  figures.invoiceCount += isComplete ? 1 : 0;
}

/**
 * True once nothing can hinder the archive of an invoice: the account has nothing of its time that it would write into the
 * ledger again, the ledger has what the invoice says, and the invoice cannot become void any more.
 */
async function isReady(run: Run, invoice: InvoiceRow): Promise<boolean> {
  if (invoice.archiveStartedAtMs !== null) return true;
  const { env, control, ledger, nowMs } = run;
  const { id, tenantId, toEndedMs } = invoice;
  const books = objectsOf(env).account(tenantId).books(toEndedMs);
  const { unsettledBefore = 0 } = await withTimeout(books, SETTLE_TIMEOUT_MS);
  if (unsettledBefore > 0) return false;
  const sums = await sumsOfCut(ledger, tenantId, cutOf(invoice));
  if (!isWhole(invoice, sums)) return false;
  return startArchive(control, id, nowMs);
}

async function archiveInvoice(run: Run, invoice: InvoiceRow, partsMax: number) {
  const { env, control, ledger, nowMs, partEntries } = run;
  const { id, tenantId } = invoice;
  const cut = cutOf(invoice);
  const done = { partCount: 0, entryCount: 0 };
  // Before the entries: should another run take them meanwhile, the part's number is taken too, and this one fails.
  const parts = [...(await archivePartsOf(ledger, id))];
  for (;;) {
    const entries = await entriesOfCut(ledger, tenantId, { cut, entriesMax: partEntries });
    if (entries.length === 0) break;
    if (done.partCount >= partsMax) return { ...done, isComplete: false };
    const part = await writePart(run, { invoice, number: parts.length + 1, entries });
    await dropArchived(ledger, part, entries);
    parts.push(part);
    done.partCount += 1;
    done.entryCount += entries.length;
  }
  const total = (amountOf: (part: ArchivePart) => number) =>
    parts.reduce((sum, part) => sum + amountOf(part), 0);
  const sums = {
    entries: total(({ entries }) => entries),
    billedNanoUsd: total(({ billedNanoUsd }) => billedNanoUsd),
  };
  assert(isWhole(invoice, sums), `the archive of ${id} lacks entries`);
  const manifest = { format: "fairlane.ledger_archive.v1", invoiceId: id, tenantId, ...cut, parts };
  const key = `${archiveFolder(tenantId, id)}/manifest.json`;
  await env.ARTIFACTS.put(key, JSON.stringify(manifest));
  await finishArchive(control, id, nowMs);
  return { ...done, isComplete: true };
}

function isWhole(
  { id, entries, usageNanoUsd }: InvoiceRow,
  sums: { readonly entries: number; readonly billedNanoUsd: number },
): boolean {
  if (sums.entries === entries && sums.billedNanoUsd === usageNanoUsd) return true;
  const found = { foundEntries: sums.entries, foundNanoUsd: sums.billedNanoUsd };
  logEvent("error", "archive_mismatch", { invoiceId: id, entries, usageNanoUsd, ...found });
  return false;
}

async function writePart(
  { env, nowMs }: Run,
  options: {
    readonly invoice: InvoiceRow;
    readonly number: number;
    readonly entries: readonly ArchivedEntry[];
  },
): Promise<ArchivePart> {
  const { invoice, number, entries } = options;
  const { id: invoiceId, tenantId } = invoice;
  const [first, last] = [entries[0], entries.at(-1)];
  assert(first !== undefined && last !== undefined, "a part has entries");
  const name = String(number).padStart(6, "0");
  const prefix = `${archiveFolder(tenantId, invoiceId)}/${name}`;
  const object = await writeEntries(env.ARTIFACTS, prefix, entries);
  const sum = (amountOf: (entry: ArchivedEntry) => number) =>
    entries.reduce((total, entry) => total + amountOf(entry), 0);
  return {
    ...{ invoiceId, part: number, tenantId, ...cutOf(invoice) },
    ...{ firstEndedMs: first.endedAtMs, firstPosition: first.position },
    ...{ lastEndedMs: last.endedAtMs, lastPosition: last.position },
    entries: entries.length,
    billedPromptTokens: sum((entry) => entry.billedPromptTokens),
    billedCachedTokens: sum((entry) => entry.billedCachedTokens),
    billedOutputTokens: sum((entry) => entry.billedOutputTokens),
    billedNanoUsd: sum((entry) => entry.billedNanoUsd),
    ...object,
    archivedAtMs: nowMs,
  };
}
