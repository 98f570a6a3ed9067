// Owns the ledger's side of the archive: the next entries of an invoice's cut, and taking them out of the ledger in the one
// batch that writes their part's sums. Invariant: at every moment an entry is either in the ledger or in a part's sums.
import type { InvoiceCut } from "@fairlane/ledger";
import { and, asc, eq, sql } from "drizzle-orm";
import type { LedgerDb } from "../client.ts";
import { ledgerArchives } from "../schema/ledger/ledger-archives.ts";
import { ledgerEntries } from "../schema/ledger/ledger-entries.ts";
import { statementOf } from "../statement.ts";
import { archiveSums } from "./archive-sums.ts";
import { inCut } from "./invoice-usage.ts";

/** An entry as it is archived: all its columns. */
export type ArchivedEntry = typeof ledgerEntries.$inferSelect;
/** A part of an invoice's archive. */
export type ArchivePart = typeof ledgerArchives.$inferSelect;

/** Counts and money of entries. */
export interface EntrySums {
  readonly entries: number;
  readonly billedNanoUsd: number;
}

/** What is left of a cut in the ledger, by end and arrival; at most `entriesMax`. */
export async function entriesOfCut(
  ledger: LedgerDb,
  tenantId: string,
  { cut, entriesMax }: { readonly cut: InvoiceCut; readonly entriesMax: number },
): Promise<readonly ArchivedEntry[]> {
  return ledger
    .select()
    .from(ledgerEntries)
    .where(inCut(tenantId, cut))
    .orderBy(asc(ledgerEntries.endedAtMs), asc(ledgerEntries.position))
    .limit(entriesMax);
}

/** Sums of what is left of a cut in the ledger. */
export async function sumsOfCut(
  ledger: LedgerDb,
  tenantId: string,
  cut: InvoiceCut,
): Promise<EntrySums> {
  const [row] = await ledger
    .select({
      entries: sql<number>`count(*)`,
      billedNanoUsd: sql<number>`coalesce(sum(${ledgerEntries.billedNanoUsd}), 0)`,
    })
    .from(ledgerEntries)
    .where(inCut(tenantId, cut));
  return row ?? { entries: 0, billedNanoUsd: 0 };
}

/** The parts of an invoice, in their order. */
export async function archivePartsOf(
  ledger: LedgerDb,
  invoiceId: string,
): Promise<readonly ArchivePart[]> {
  return ledger
    .select()
    .from(ledgerArchives)
    .where(eq(ledgerArchives.invoiceId, invoiceId))
    .orderBy(asc(ledgerArchives.part));
}

/** Takes a part's entries out of the ledger; rejects when the part is there already. */
export async function dropArchived(
  ledger: LedgerDb,
  part: ArchivePart,
  entries: readonly ArchivedEntry[],
): Promise<void> {
  const { tenantId } = part;
  const upTo = sql`(${ledgerEntries.endedAtMs}, ${ledgerEntries.position})
    <= (${part.lastEndedMs}, ${part.lastPosition})`;
  await ledger.$client.batch([
    statementOf(ledger, ledger.insert(ledgerArchives).values(part)),
    ...archiveSums(ledger, entries),
    statementOf(ledger, ledger.delete(ledgerEntries).where(and(inCut(tenantId, part), upTo))),
  ]);
}
