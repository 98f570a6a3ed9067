// Owns when each key was last used, to the hour. Memory is newer than the table: what is new is written beside
// something that commits anyway, or a little later, never by an admission. A restart within that time loses it.
import type { KeyUse } from "@fairlane/protocol";
import { KEY_USE_WRITE_MS } from "../limits.ts";

const HOUR_MS = 3_600_000;

const TABLE_SQL = `
CREATE TABLE IF NOT EXISTS key_uses (
  key_id TEXT PRIMARY KEY,
  last_used_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`;

export class KeyUses {
  readonly #sql: SqlStorage;
  readonly #isKept: (keyId: string) => boolean;
  /** Hours by key; those of forgotten keys go with the next write. */
  readonly #hours = new Map<string, number>();
  readonly #unwritten = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | null = null;

  /** @param isKept says whether the account still has the key */
  constructor(sql: SqlStorage, isKept: (keyId: string) => boolean) {
    this.#sql = sql;
    this.#isKept = isKept;
    sql.exec(TABLE_SQL);
    const rows = sql.exec<{ key_id: string; last_used_ms: number }>("SELECT * FROM key_uses");
    for (const row of rows) this.#hours.set(row.key_id, row.last_used_ms);
  }

  /** Notes a use; writes nothing now. */
  note(keyId: string, nowMs: number): void {
    const hourMs = Math.floor(nowMs / HOUR_MS) * HOUR_MS;
    if ((this.#hours.get(keyId) ?? 0) >= hourMs) return;
    this.#hours.set(keyId, hourMs);
    this.#unwritten.add(keyId);
    this.#timer ??= setTimeout(() => this.write(), KEY_USE_WRITE_MS);
  }

  /** Writes what is new. */
  write(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#unwritten.size === 0) return;
    for (const keyId of this.#hours.keys()) {
      if (!this.#isKept(keyId)) this.#forget(keyId);
    }
    for (const keyId of this.#unwritten) {
      this.#sql.exec(
        `INSERT INTO key_uses (key_id, last_used_ms) VALUES (?, ?)
         ON CONFLICT DO UPDATE SET last_used_ms = excluded.last_used_ms`,
        keyId,
        this.#hours.get(keyId) ?? 0,
      );
    }
    this.#unwritten.clear();
  }

  #forget(keyId: string): void {
    this.#sql.exec("DELETE FROM key_uses WHERE key_id = ?", keyId);
    this.#hours.delete(keyId);
    this.#unwritten.delete(keyId);
  }

  list(): readonly KeyUse[] {
    return [...this.#hours].map(([keyId, lastUsedMs]) => ({ keyId, lastUsedMs }));
  }
}
