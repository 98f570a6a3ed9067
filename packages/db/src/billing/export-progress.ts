// Owns how far the export of usage is and what went wrong last. Invariant: the cursor rises only from where the delivery
// began, under the settings that it used.
import { and, eq, sql } from "drizzle-orm";
import type { ControlDb } from "../client.ts";
import { billingExport } from "../schema/control/billing-export.ts";
import type { BillingExport } from "./export-settings.ts";

/** Commits a delivery; false when the settings or the cursor are others by now. */
export async function commitDelivery(
  db: ControlDb,
  from: Pick<BillingExport, "changedAtMs" | "cursor">,
  done: { readonly cursor: number; readonly deliveredEntries: number; readonly nowMs: number },
): Promise<boolean> {
  const delivered = sql`${billingExport.deliveredEntries} + ${done.deliveredEntries}`;
  const rows = await db
    .update(billingExport)
    .set({
      cursor: done.cursor,
      deliveredEntries: delivered,
      lastDeliveredAtMs: done.nowMs,
      ...{ failureCount: 0, retryAtMs: 0 },
    })
    .where(
      and(eq(billingExport.changedAtMs, from.changedAtMs), eq(billingExport.cursor, from.cursor)),
    )
    .returning({ id: billingExport.id });
  return rows.length === 1;
}

/** Notes that a run failed, and when to try again. */
export async function noteExportFailure(
  db: ControlDb,
  changedAtMs: number,
  failure: Pick<BillingExport, "failureCount" | "retryAtMs" | "lastError" | "lastErrorAtMs">,
): Promise<void> {
  await db.update(billingExport).set(failure).where(eq(billingExport.changedAtMs, changedAtMs));
}
