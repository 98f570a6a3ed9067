// Owns how far the archive of an invoice is, as the control database has it: not begun, begun, done.
import { and, asc, eq, sql } from "drizzle-orm";
import type { ControlDb } from "../client.ts";
import { invoices } from "../schema/control/invoices.ts";
import type { InvoiceRow } from "./invoices.ts";

/** Final invoices whose entries are to be archived, by number: those begun, and those final since before `finalBeforeMs`. */
export async function invoicesToArchive(
  db: ControlDb,
  page: {
    readonly finalBeforeMs: number;
    readonly afterNumber: number;
    readonly rowsMax: number;
  },
): Promise<readonly InvoiceRow[]> {
  const { finalBeforeMs, afterNumber, rowsMax } = page;
  return db
    .select()
    .from(invoices)
    .where(
      sql`status = 'final' AND archived_at_ms IS NULL AND number > ${afterNumber}
          AND (archive_started_at_ms IS NOT NULL OR finalized_at_ms < ${finalBeforeMs})`,
    )
    .orderBy(asc(invoices.number))
    .limit(rowsMax);
}

/** From here on the invoice cannot become void; false when it has. */
export async function startArchive(
  db: ControlDb,
  invoiceId: string,
  nowMs: number,
): Promise<boolean> {
  const started = await db
    .update(invoices)
    .set({ archiveStartedAtMs: sql`coalesce(archive_started_at_ms, ${nowMs})` })
    .where(and(eq(invoices.id, invoiceId), eq(invoices.status, "final")))
    .returning({ id: invoices.id });
  return started.length > 0;
}

/** Everything of the invoice is in the archive. */
export async function finishArchive(
  db: ControlDb,
  invoiceId: string,
  nowMs: number,
): Promise<void> {
  await db.update(invoices).set({ archivedAtMs: nowMs }).where(eq(invoices.id, invoiceId));
}
