// Owns reading the ledger in the order in which it was written, for the export of usage. Positions only grow and none is
// used twice, so one is a cursor: nothing ever appears before it.
import { asc, count, gt, max, sql } from "drizzle-orm";
import type { LedgerDb } from "./client.ts";
import { FEED_ROWS_MAX } from "./limits.ts";
import { ledgerEntries } from "./schema/ledger/ledger-entries.ts";

/** An entry with its position. */
export type NumberedRow = typeof ledgerEntries.$inferSelect;

const { position } = ledgerEntries;

/** The entries after a position, oldest first, at most `rowsMax`. */
export async function ledgerRowsAfter(
  db: LedgerDb,
  afterPosition: number,
  rowsMax: number,
): Promise<readonly NumberedRow[]> {
  return db
    .select()
    .from(ledgerEntries)
    .where(gt(position, afterPosition))
    .orderBy(asc(position))
    .limit(Math.min(rowsMax, FEED_ROWS_MAX));
}

/** The entries at these positions that are still in the ledger, oldest first. */
export async function ledgerRowsOf(
  db: LedgerDb,
  positions: readonly number[],
): Promise<readonly NumberedRow[]> {
  return db
    .select()
    .from(ledgerEntries)
    .where(sql`${position} IN (SELECT value FROM json_each(${JSON.stringify(positions)}))`)
    .orderBy(asc(position))
    .limit(FEED_ROWS_MAX);
}

/** The position of the newest entry; 0 for an empty ledger. */
export async function newestLedgerPosition(db: LedgerDb): Promise<number> {
  const [row] = await db.select({ newest: max(position) }).from(ledgerEntries);
  return row?.newest ?? 0;
}

/** How many entries are after a position. */
export async function ledgerRowsLeft(db: LedgerDb, afterPosition: number): Promise<number> {
  const [row] = await db
    .select({ left: count() })
    .from(ledgerEntries)
    .where(gt(position, afterPosition));
  return row?.left ?? 0;
}
