// Owns the durable covers of an account's limits, one row a scope: see limit-scope.ts.
import type { ScopeCover } from "./limit-scope.ts";

const TABLE_SQL = `
CREATE TABLE IF NOT EXISTS limit_covers (
  scope_id TEXT PRIMARY KEY,
  cover TEXT NOT NULL
) STRICT, WITHOUT ROWID;
`;

/** For fields that a cover written by an earlier version lacks. */
const NOTHING: ScopeCover = { heldRequests: 0, heldNanoUsd: 0, leaseUntilMs: 0, floors: {} };

export class CoverStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec(TABLE_SQL);
  }

  /** What an earlier account left of this scope. */
  read(scopeId: string): ScopeCover | undefined {
    const [row] = this.#sql
      .exec<{ cover: string }>("SELECT cover FROM limit_covers WHERE scope_id = ?", scopeId)
      .toArray();
    // Written by `write` below.
    if (!row) return undefined;
    const cover = JSON.parse(row.cover) as Partial<ScopeCover>;
    return { ...NOTHING, ...cover };
  }

  write(scopeId: string, cover: ScopeCover): void {
    this.#sql.exec(
      `INSERT INTO limit_covers (scope_id, cover) VALUES (?, ?)
       ON CONFLICT DO UPDATE SET cover = excluded.cover`,
      scopeId,
      JSON.stringify(cover),
    );
  }

  delete(scopeId: string): void {
    this.#sql.exec("DELETE FROM limit_covers WHERE scope_id = ?", scopeId);
  }
}
