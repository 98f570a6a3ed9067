// Owns the tenant's keys: authoritative for whether a key is known, alive and what it may do. All of them are in
// memory; the table is written first, so a revocation that was acknowledged survives anything.
import { equalsConstantTime } from "@fairlane/base";
import type { AccountKey, KeyChangeOutcome, KeyTerms } from "@fairlane/protocol";
import { KEYS_MAX } from "../limits.ts";

const TABLE_SQL = `
CREATE TABLE IF NOT EXISTS keys (
  key_id TEXT PRIMARY KEY,
  key TEXT NOT NULL
) STRICT, WITHOUT ROWID;
`;

const NO_LISTS = { allowedModels: null, allowedAdapters: null, allowedIps: null };

const encoder = new TextEncoder();

export class KeyRing {
  readonly #sql: SqlStorage;
  readonly #keys = new Map<string, AccountKey>();

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec(TABLE_SQL);
    for (const { key } of sql.exec<{ key: string }>("SELECT key FROM keys")) {
      // Written by #write below; a key from before there were lists has none.
      const read = { ...NO_LISTS, ...(JSON.parse(key) as AccountKey) };
      this.#keys.set(read.keyId, read);
    }
  }

  /** The key of this id if the secret is its own; compared in constant time. */
  verified(keyId: string, secretHash: string): AccountKey | undefined {
    const key = this.#keys.get(keyId);
    if (!key) return undefined;
    const isSame = equalsConstantTime(encoder.encode(key.secretHash), encoder.encode(secretHash));
    return isSame ? key : undefined;
  }

  /** Adds a key, or replaces one; false when there are too many. A full ring forgets a dead key first. */
  put(key: AccountKey, nowMs: number): boolean {
    if (!this.#keys.has(key.keyId) && this.#keys.size >= KEYS_MAX) {
      const dead = [...this.#keys.values()].find((one) => isDead(one, nowMs));
      if (!dead) return false;
      this.#sql.exec("DELETE FROM keys WHERE key_id = ?", dead.keyId);
      this.#keys.delete(dead.keyId);
    }
    this.#write(key);
    return true;
  }

  /** Changes what is named of a living key. */
  change(keyId: string, change: Partial<KeyTerms>): KeyChangeOutcome {
    const key = this.#keys.get(keyId);
    if (!key) return { ok: false, reason: "unknown" };
    if (key.revokedAtMs !== null) return { ok: false, reason: "revoked" };
    const changed = { ...key, ...change };
    this.#write(changed);
    return { ok: true, key: changed };
  }

  /** Revokes a key; false when it is unknown. The first revocation's time stays. */
  revoke(keyId: string, nowMs: number): boolean {
    const key = this.#keys.get(keyId);
    if (!key) return false;
    if (key.revokedAtMs === null) this.#write({ ...key, revokedAtMs: nowMs });
    return true;
  }

  #write(key: AccountKey): void {
    this.#sql.exec(
      "INSERT INTO keys (key_id, key) VALUES (?, ?) ON CONFLICT DO UPDATE SET key = excluded.key",
      key.keyId,
      JSON.stringify(key),
    );
    this.#keys.set(key.keyId, key);
  }
}

function isDead(key: AccountKey, nowMs: number): boolean {
  return key.revokedAtMs !== null || (key.expiresAtMs !== null && key.expiresAtMs <= nowMs);
}
