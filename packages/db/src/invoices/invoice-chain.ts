// Owns which of a tenant's invoices a new draft goes by: those of its month, and the newest one that has a number.
import { and, desc, eq, isNotNull } from "drizzle-orm";
import type { ControlDb } from "../client.ts";
import { INVOICES_PAGE_MAX } from "../limits.ts";
import { invoices } from "../schema/control/invoices.ts";
import type { InvoiceRow } from "./invoices.ts";

/** The numbered invoice of a tenant's newest invoiced month, the newest of it; undefined before the first. */
export async function newestNumbered(
  db: ControlDb,
  tenantId: string,
): Promise<InvoiceRow | undefined> {
  const rows = await db
    .select()
    .from(invoices)
    .where(and(eq(invoices.tenantId, tenantId), isNotNull(invoices.number)))
    .orderBy(desc(invoices.periodStartMs), desc(invoices.number))
    .limit(1);
  return rows[0];
}

/** A month's invoices, the newest number first, its draft last. */
export async function invoicesOfMonth(
  db: ControlDb,
  tenantId: string,
  periodStartMs: number,
): Promise<readonly InvoiceRow[]> {
  return db
    .select()
    .from(invoices)
    .where(and(eq(invoices.tenantId, tenantId), eq(invoices.periodStartMs, periodStartMs)))
    .orderBy(desc(invoices.number))
    .limit(INVOICES_PAGE_MAX);
}
