// Owns the account's sums of what was billed, the numbers that budgets will be held against. Invariant: they equal
// the sums over every entry that ever entered the outbox, and each is a safe integer.
import { assert, units, type NanoUsd } from "@fairlane/base";
import { addNanoUsd, type LedgerEntry } from "@fairlane/ledger";

const TABLE_SQL = `
CREATE TABLE IF NOT EXISTS spend (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  entries INTEGER NOT NULL,
  spent_nano_usd INTEGER NOT NULL
) STRICT;
INSERT INTO spend (id, entries, spent_nano_usd) VALUES (1, 0, 0) ON CONFLICT DO NOTHING;
`;

/** Sums since the account was made. */
export interface Spend {
  readonly entries: number;
  readonly spentNanoUsd: NanoUsd;
}

export class SpendStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec(TABLE_SQL);
  }

  read(): Spend {
    const row = this.#sql
      .exec<{ entries: number; spent: number }>(
        "SELECT entries, spent_nano_usd AS spent FROM spend",
      )
      .one();
    return { entries: row.entries, spentNanoUsd: units.nanoUsd(row.spent) };
  }

  /** Adds entries. Call inside the transaction that puts them into the outbox. */
  add(entries: readonly LedgerEntry[]): void {
    const before = this.read();
    let spentNanoUsd = before.spentNanoUsd;
    for (const { billedNanoUsd } of entries) {
      const sum = addNanoUsd(spentNanoUsd, billedNanoUsd);
      assert(sum.ok, "the tenant's spend passed 2^53 nano-USD");
      spentNanoUsd = sum.value;
    }
    this.#sql.exec(
      "UPDATE spend SET entries = ?, spent_nano_usd = ?",
      before.entries + entries.length,
      spentNanoUsd,
    );
  }
}
