// Owns the durable covers of an account's limits, one row a scope: see limit-scope.ts.
import type { ScopeCover } from "./limit-scope.ts";

const TABLE_SQL = `
CREATE TABLE IF NOT EXISTS limit_covers (
  scope_id TEXT PRIMARY KEY,
  cover TEXT NOT NULL
) STRICT, WITHOUT ROWID;
`;

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
    return row && (JSON.parse(row.cover) as ScopeCover);
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
