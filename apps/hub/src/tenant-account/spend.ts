// Owns the account's sums of what was billed: over all time, and by UTC day of the settlement for the tenant, its
// projects and its keys, which is what budgets are held against. Invariant: the sums over all time equal those over
// every entry that ever entered the outbox, and each is a safe integer.
import { assert, units, type NanoUsd } from "@fairlane/base";
import { addNanoUsd, windowAt, type LedgerEntry } from "@fairlane/ledger";
import { SPEND_DAYS_KEPT_MS } from "../limits.ts";

const TABLES_SQL = `
CREATE TABLE IF NOT EXISTS spend (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  entries INTEGER NOT NULL,
  spent_nano_usd INTEGER NOT NULL
) STRICT;
INSERT INTO spend (id, entries, spent_nano_usd) VALUES (1, 0, 0) ON CONFLICT DO NOTHING;
CREATE TABLE IF NOT EXISTS spend_days (
  scope_id TEXT NOT NULL,
  day_ms INTEGER NOT NULL,
  spent_nano_usd INTEGER NOT NULL,
  PRIMARY KEY (scope_id, day_ms)
) STRICT, WITHOUT ROWID;
`;

/** Sums since the account was made. */
export interface Spend {
  readonly entries: number;
  readonly spentNanoUsd: NanoUsd;
}

export class SpendStore {
  readonly #sql: SqlStorage;
  /** Sums of windows that were asked for, by scope and start; bounded by the budgets. */
  readonly #windows = new Map<string, { readonly sinceMs: number; readonly nanoUsd: number }[]>();
  #newestDayMs = 0;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec(TABLES_SQL);
  }

  read(): Spend {
    const row = this.#sql
      .exec<{ entries: number; spent: number }>(
        "SELECT entries, spent_nano_usd AS spent FROM spend",
      )
      .one();
    return { entries: row.entries, spentNanoUsd: units.nanoUsd(row.spent) };
  }

  /** What was settled for a scope since the beginning of a UTC day. */
  spentSince(scopeId: string, sinceMs: number): number {
    const known = this.#windows.get(scopeId)?.find((window) => window.sinceMs === sinceMs);
    if (known) return known.nanoUsd;
    const { nanoUsd } = this.#sql
      .exec<{ nanoUsd: number }>(
        `SELECT coalesce(sum(spent_nano_usd), 0) AS nanoUsd FROM spend_days
         WHERE scope_id = ? AND day_ms >= ?`,
        scopeId,
        sinceMs,
      )
      .one();
    // There are three kinds of windows.
    const windows = (this.#windows.get(scopeId) ?? []).slice(-2);
    this.#windows.set(scopeId, [...windows, { sinceMs, nanoUsd }]);
    return nanoUsd;
  }

  /** Adds entries, which are of the tenant. Call inside the transaction that puts them into the outbox. */
  add(entries: readonly LedgerEntry[], nowMs: number): void {
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
    this.#addDay(entries, windowAt("day", nowMs).startMs);
  }

  #addDay(entries: readonly LedgerEntry[], dayMs: number): void {
    for (const [scopeId, nanoUsd] of sumsByScope(entries)) {
      this.#windows.delete(scopeId);
      this.#sql.exec(
        `INSERT INTO spend_days (scope_id, day_ms, spent_nano_usd) VALUES (?, ?, ?)
         ON CONFLICT DO UPDATE SET spent_nano_usd = spent_nano_usd + excluded.spent_nano_usd`,
        scopeId,
        dayMs,
        nanoUsd,
      );
    }
    if (dayMs === this.#newestDayMs) return;
    this.#newestDayMs = dayMs;
    this.#sql.exec("DELETE FROM spend_days WHERE day_ms < ?", dayMs - SPEND_DAYS_KEPT_MS);
  }
}

/** Amounts by tenant, project and key; scopes that owe nothing are left out. */
function sumsByScope(entries: readonly LedgerEntry[]): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  for (const { tenantId, projectId, keyId, billedNanoUsd } of entries) {
    if (billedNanoUsd === 0) continue;
    for (const scopeId of [tenantId, projectId, keyId]) {
      sums.set(scopeId, (sums.get(scopeId) ?? 0) + billedNanoUsd);
    }
  }
  return sums;
}
