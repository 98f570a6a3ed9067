// Owns the queries of ledger entries that the billing endpoint refused for good.
import { asc, count, desc, eq, sql } from "drizzle-orm";
import type { ControlDb } from "../client.ts";
import { FEED_ROWS_MAX } from "../limits.ts";
import { billingExport } from "../schema/control/billing-export.ts";
import { billingRejections } from "../schema/control/billing-rejections.ts";

export type BillingRejection = typeof billingRejections.$inferSelect;

/** Keeps refused entries; of one that is known the newest reason. */
export async function keepRejections(
  db: ControlDb,
  rejections: readonly Omit<BillingRejection, "isRetried">[],
): Promise<void> {
  // One statement each: a refusal is rare, and D1 takes 100 parameters a statement.
  for (const rejection of rejections) {
    const set = { ...rejection, isRetried: false };
    await db
      .insert(billingRejections)
      .values(set)
      .onConflictDoUpdate({ target: billingRejections.position, set });
  }
}

/** The newest refused entries, and how many there are. */
export async function listRejections(db: ControlDb, rowsMax: number) {
  const [counted] = await db.select({ rejections: count() }).from(billingRejections);
  const rows = await db
    .select()
    .from(billingRejections)
    .orderBy(desc(billingRejections.position))
    .limit(rowsMax);
  return { count: counted?.rejections ?? 0, rows };
}

/** Marks all refused entries to be tried again, and ends the pause after a failure. */
export async function retryRejections(db: ControlDb): Promise<void> {
  await db.batch([
    db.update(billingRejections).set({ isRetried: true }),
    db.update(billingExport).set({ retryAtMs: 0 }),
  ]);
}

/** Positions of entries to be tried again, oldest first. */
export async function retriedPositions(db: ControlDb): Promise<readonly number[]> {
  const rows = await db
    .select({ position: billingRejections.position })
    .from(billingRejections)
    .where(eq(billingRejections.isRetried, true))
    .orderBy(asc(billingRejections.position))
    .limit(FEED_ROWS_MAX);
  return rows.map(({ position }) => position);
}

/** Forgets refused entries that were taken after all. */
export async function dropRejections(db: ControlDb, positions: readonly number[]): Promise<void> {
  const isOne = sql`${billingRejections.position} IN (SELECT value FROM json_each(${JSON.stringify(positions)}))`;
  await db.delete(billingRejections).where(isOne);
}
