// Owns the ledger outbox: entries that are settled and not yet in the D1 ledger, one pack a settlement. Written in
// the settlement's transaction, sent by the account's alarm. Invariant: a pack is deleted only after the ledger has
// its entries, and the ledger ignores entries it has, so each arrives exactly once.
import type { LedgerEntry } from "@fairlane/ledger";
import { LEDGER_BATCH_ENTRIES_MAX } from "@fairlane/db";
import { OUTBOX_PACKS_MAX, OUTBOX_STATEMENTS_MAX } from "../limits.ts";

const TABLE_SQL = `
CREATE TABLE IF NOT EXISTS outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  entry_count INTEGER NOT NULL,
  entries TEXT NOT NULL
) STRICT;
`;

// Packs read at once: enough small ones to fill a statement.
const PACKS_READ_MAX = 128;

interface PackRow extends Record<string, SqlStorageValue> {
  readonly id: number;
  readonly entry_count: number;
  readonly entries: string;
}

/** Writes entries to the ledger; rejects when it cannot be reached. */
export type AppendEntries = (entries: readonly LedgerEntry[]) => Promise<void>;

export class Outbox {
  readonly #sql: SqlStorage;
  #packCount: number;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec(TABLE_SQL);
    this.#packCount = sql
      .exec<{ packs: number }>("SELECT count(*) AS packs FROM outbox")
      .one().packs;
  }

  get isEmpty(): boolean {
    return this.#packCount === 0;
  }

  get isFull(): boolean {
    return this.#packCount >= OUTBOX_PACKS_MAX;
  }

  /** Entries that wait, and what they bill. */
  waiting(): { readonly entries: number; readonly nanoUsd: number } {
    return this.#sql
      .exec<{ entries: number; nanoUsd: number }>(
        `SELECT count(*) AS entries, coalesce(sum(json_extract(value, '$.billedNanoUsd')), 0) AS nanoUsd
         FROM outbox, json_each(outbox.entries)`,
      )
      .one();
  }

  /** Entries that wait, of requests that ended before this time. */
  waitingBefore(endedBeforeMs: number): number {
    return this.#sql
      .exec<{ n: number }>(
        `SELECT count(*) AS n FROM outbox, json_each(outbox.entries)
         WHERE json_extract(value, '$.endedAtMs') < ?`,
        endedBeforeMs,
      )
      .one().n;
  }

  /** Adds a pack of at most LEDGER_BATCH_ENTRIES_MAX entries. Call `added` once the transaction is through. */
  insert(entries: readonly LedgerEntry[]): void {
    this.#sql.exec(
      "INSERT INTO outbox (entry_count, entries) VALUES (?, ?)",
      entries.length,
      JSON.stringify(entries),
    );
  }

  /** Counts a pack whose transaction went through. */
  added(): void {
    this.#packCount += 1;
  }

  /** Sends packs until none is left or the bound on statements is reached; rejects at the first failure. */
  async flush(append: AppendEntries): Promise<void> {
    for (let statement = 0; statement < OUTBOX_STATEMENTS_MAX; statement++) {
      const packs = this.#oldest();
      const last = packs.at(-1);
      if (!last) return;
      // Written by `insert` above.
      await append(packs.flatMap((pack) => JSON.parse(pack.entries) as LedgerEntry[]));
      this.#sql.exec("DELETE FROM outbox WHERE id <= ?", last.id);
      this.#packCount -= packs.length;
    }
  }

  #oldest(): readonly PackRow[] {
    const rows = this.#sql
      .exec<PackRow>(
        "SELECT id, entry_count, entries FROM outbox ORDER BY id LIMIT ?",
        PACKS_READ_MAX,
      )
      .toArray();
    let entryCount = 0;
    const fitting = rows.findIndex((row) => {
      entryCount += row.entry_count;
      return entryCount > LEDGER_BATCH_ENTRIES_MAX;
    });
    return fitting === -1 ? rows : rows.slice(0, Math.max(1, fitting));
  }
}
