// Owns reading invoices and their lines.
import type { InvoiceCut, InvoiceLine } from "@fairlane/ledger";
import { and, asc, desc, eq, lt, ne } from "drizzle-orm";
import type { ControlDb } from "../client.ts";
import { INVOICE_LINES_MAX, INVOICES_PAGE_MAX } from "../limits.ts";
import { invoiceLines, invoices } from "../schema/control/invoices.ts";

export type InvoiceRow = typeof invoices.$inferSelect;

/** The tenant's invoice, or undefined; another tenant's is not found. */
export async function findInvoice(
  db: ControlDb,
  tenantId: string,
  invoiceId: string,
): Promise<InvoiceRow | undefined> {
  const mine = and(eq(invoices.id, invoiceId), eq(invoices.tenantId, tenantId));
  return (await db.select().from(invoices).where(mine).limit(1))[0];
}

/** A tenant's invoices, the newest made first. @param page `beforeId` is the last id of the page before */
export async function listInvoices(
  db: ControlDb,
  tenantId: string,
  page: {
    readonly withDrafts: boolean;
    readonly beforeId?: string | undefined;
    readonly rowsMax: number;
  },
): Promise<readonly InvoiceRow[]> {
  const { withDrafts, beforeId, rowsMax } = page;
  return db
    .select()
    .from(invoices)
    .where(
      and(
        eq(invoices.tenantId, tenantId),
        withDrafts ? undefined : ne(invoices.status, "draft"),
        beforeId === undefined ? undefined : lt(invoices.id, beforeId),
      ),
    )
    .orderBy(desc(invoices.id))
    .limit(Math.min(rowsMax, INVOICES_PAGE_MAX));
}

/** The lines of an invoice in their order. */
export async function linesOf(db: ControlDb, invoiceId: string): Promise<readonly InvoiceLine[]> {
  const rows = await db
    .select({ content: invoiceLines.content })
    .from(invoiceLines)
    .where(eq(invoiceLines.invoiceId, invoiceId))
    .orderBy(asc(invoiceLines.line))
    .limit(INVOICE_LINES_MAX);
  return rows.map(({ content }) => content);
}

/** Which entries an invoice takes. */
export function cutOf(invoice: InvoiceRow): InvoiceCut {
  const { fromEndedMs, fromPosition, toEndedMs, toPosition } = invoice;
  return { fromEndedMs, fromPosition, toEndedMs, toPosition };
}
