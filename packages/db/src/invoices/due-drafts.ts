// Owns which tenants lack a month's invoice: those without one, or with a void one that nothing replaces, that have usage of
// the month or adjustments that wait. Read in pages of tenants; each costs the ledger one probe of its index.
import { sql } from "drizzle-orm";
import type { ControlDb, LedgerDb } from "../client.ts";
import { DUE_TENANTS_PER_PAGE_MAX } from "../limits.ts";
import { tenantsWithUsage } from "./invoice-usage.ts";

export interface DueTenants {
  readonly tenantIds: readonly string[];
  /** Where the next page begins; null after the last. */
  readonly nextAfterId: string | null;
}

/** A page of tenants that lack an invoice of the month. @param afterId "" for the first page */
export async function dueTenants(
  { control, ledger }: { readonly control: ControlDb; readonly ledger: LedgerDb },
  period: { readonly startMs: number; readonly endMs: number },
  afterId: string,
): Promise<DueTenants> {
  const rows = await control.all<{ id: string; waits: number }>(
    sql`SELECT id, EXISTS (SELECT 1 FROM invoice_adjustments WHERE tenant_id = tenants.id AND invoice_id IS NULL)
          AS waits
        FROM tenants WHERE id > ${afterId} AND NOT EXISTS (
          SELECT 1 FROM invoices WHERE tenant_id = tenants.id AND number IS NOT NULL
            AND period_start_ms > ${period.startMs})
        AND NOT EXISTS (
          SELECT 1 FROM invoices WHERE tenant_id = tenants.id AND period_start_ms = ${period.startMs}
            AND status <> 'void')
        ORDER BY id LIMIT ${DUE_TENANTS_PER_PAGE_MAX}`,
  );
  const ids = rows.map(({ id }) => id);
  const used = new Set(await tenantsWithUsage(ledger, ids, period));
  const tenantIds = rows.filter(({ id, waits }) => waits === 1 || used.has(id)).map(({ id }) => id);
  const last = ids.length < DUE_TENANTS_PER_PAGE_MAX ? undefined : ids.at(-1);
  return { tenantIds, nextAfterId: last ?? null };
}
