// Owns an operator's debits and credits: append-only, each counted once by its id, each on one living invoice at a time.
import { and, asc, count, desc, eq, isNull } from "drizzle-orm";
import type { AuditEntry } from "../audit-entry.ts";
import { auditInsert } from "../audit.ts";
import type { ControlDb } from "../client.ts";
import { OPEN_ADJUSTMENTS_MAX } from "../limits.ts";
import { invoiceAdjustments } from "../schema/control/invoice-adjustments.ts";

export type AdjustmentRow = typeof invoiceAdjustments.$inferSelect;

const openOf = (tenantId: string) =>
  and(eq(invoiceAdjustments.tenantId, tenantId), isNull(invoiceAdjustments.invoiceId));

/** Adds one with the entry of the audit log; "known" when its id was used, "full" when too many wait for an invoice. */
export async function addAdjustment(
  db: ControlDb,
  adjustment: Omit<AdjustmentRow, "invoiceId">,
  audit: AuditEntry,
): Promise<"added" | "known" | "full"> {
  const { tenantId, id } = adjustment;
  const same = and(eq(invoiceAdjustments.tenantId, tenantId), eq(invoiceAdjustments.id, id));
  const [known] = await db.select().from(invoiceAdjustments).where(same).limit(1);
  if (known) return "known";
  const [open] = await db.select({ n: count() }).from(invoiceAdjustments).where(openOf(tenantId));
  if ((open?.n ?? 0) >= OPEN_ADJUSTMENTS_MAX) return "full";
  await db.batch([db.insert(invoiceAdjustments).values(adjustment), auditInsert(db, audit)]);
  return "added";
}

/** Those that are on no invoice, the oldest first. */
export async function openAdjustments(
  db: ControlDb,
  tenantId: string,
): Promise<readonly AdjustmentRow[]> {
  return db
    .select()
    .from(invoiceAdjustments)
    .where(openOf(tenantId))
    .orderBy(asc(invoiceAdjustments.createdAtMs), asc(invoiceAdjustments.id))
    .limit(OPEN_ADJUSTMENTS_MAX);
}

/** A tenant's newest adjustments, newest first. */
export async function listAdjustments(
  db: ControlDb,
  tenantId: string,
): Promise<readonly AdjustmentRow[]> {
  return db
    .select()
    .from(invoiceAdjustments)
    .where(eq(invoiceAdjustments.tenantId, tenantId))
    .orderBy(desc(invoiceAdjustments.createdAtMs), desc(invoiceAdjustments.id))
    .limit(OPEN_ADJUSTMENTS_MAX);
}
