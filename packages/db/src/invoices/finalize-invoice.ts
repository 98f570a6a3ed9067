// Owns the two steps after a draft: final and void, each one batch, so that of two operators at once one does it and the
// other finds it done. Invariants: numbers go up by one; a month has one final invoice; what an invoice takes, no other
// living one has.
import { sql } from "drizzle-orm";
import type { ControlDb } from "../client.ts";
import { statementOf } from "../statement.ts";
import { findInvoice, type InvoiceRow } from "./invoices.ts";

/** The invoice afterwards, and whether this call changed it. */
export interface StepOutcome {
  readonly invoice: InvoiceRow | undefined;
  readonly isDone: boolean;
}

// A later month's cut begins where the newest numbered one ends; a replacement has that of the void one.
const TAKES_WHAT_IS_OPEN = sql.raw(`(
  (replaces_id IS NULL AND from_ended_ms = coalesce((SELECT max(other.to_ended_ms) FROM invoices AS other
    WHERE other.tenant_id = invoices.tenant_id AND other.number IS NOT NULL), 0))
  OR (SELECT void.status FROM invoices AS void WHERE void.id = invoices.replaces_id) = 'void'
) AND NOT EXISTS (SELECT 1 FROM invoices AS other WHERE other.tenant_id = invoices.tenant_id
    AND other.period_start_ms = invoices.period_start_ms AND other.status = 'final')
  AND NOT EXISTS (SELECT 1 FROM invoice_lines AS line, invoice_adjustments AS adjustment
    WHERE line.invoice_id = invoices.id AND adjustment.tenant_id = invoices.tenant_id
      AND adjustment.id = line.adjustment_id AND adjustment.invoice_id IS NOT NULL)`);

/**
 * Makes a draft final as it was seen: its number is the next one, its adjustments are on it, drafts of earlier months, which
 * it took the entries of, go. Not done when the draft was made again, or takes what another invoice took since.
 */
export async function finalizeInvoice(
  db: ControlDb,
  draft: InvoiceRow,
  nowMs: number,
): Promise<StepOutcome> {
  const { id, tenantId, revision, periodStartMs } = draft;
  const isFinal = sql`EXISTS (SELECT 1 FROM invoices WHERE id = ${id} AND status = 'final')`;
  const stale = sql`SELECT id FROM invoices WHERE tenant_id = ${tenantId} AND status = 'draft'
    AND replaces_id IS NULL AND period_start_ms < ${periodStartMs} AND ${isFinal}`;
  const [finalized] = await db.$client.batch([
    statementOf(
      db,
      sql`UPDATE invoices SET status = 'final', finalized_at_ms = ${nowMs},
            number = 1 + (SELECT coalesce(max(number), 0) FROM invoices)
          WHERE id = ${id} AND status = 'draft' AND revision = ${revision} AND ${TAKES_WHAT_IS_OPEN}
          RETURNING id`,
    ),
    statementOf(
      db,
      sql`UPDATE invoice_adjustments SET invoice_id = ${id}
          WHERE tenant_id = ${tenantId} AND invoice_id IS NULL AND ${isFinal}
            AND id IN (SELECT adjustment_id FROM invoice_lines WHERE invoice_id = ${id})`,
    ),
    statementOf(db, sql`DELETE FROM invoice_lines WHERE invoice_id IN (${stale})`),
    statementOf(db, sql`DELETE FROM invoices WHERE id IN (${stale})`),
  ]);
  const isDone = (finalized?.results.length ?? 0) > 0;
  return { invoice: await findInvoice(db, tenantId, id), isDone };
}

/** Makes a final invoice void: it keeps number and lines; its entries and adjustments are open again. */
export async function voidInvoice(
  db: ControlDb,
  invoice: Pick<InvoiceRow, "id" | "tenantId">,
  change: { readonly reason: string; readonly nowMs: number },
): Promise<StepOutcome> {
  const { id, tenantId } = invoice;
  const [voided] = await db.$client.batch([
    statementOf(
      db,
      sql`UPDATE invoices SET status = 'void', voided_at_ms = ${change.nowMs}, void_reason = ${change.reason}
          WHERE id = ${id} AND status = 'final' AND archive_started_at_ms IS NULL RETURNING id`,
    ),
    statementOf(
      db,
      sql`UPDATE invoice_adjustments SET invoice_id = NULL WHERE tenant_id = ${tenantId} AND invoice_id = ${id}
            AND EXISTS (SELECT 1 FROM invoices WHERE id = ${id} AND status = 'void')`,
    ),
  ]);
  const isDone = (voided?.results.length ?? 0) > 0;
  return { invoice: await findInvoice(db, tenantId, id), isDone };
}
