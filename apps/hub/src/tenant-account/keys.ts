// Owns the tenant's keys: authoritative for whether a key is known, alive and what it may do. All of them are in
// memory; the table is written first, so a revocation that was acknowledged survives anything.
import { equalsConstantTime } from "@fairlane/base";
import {
  widerTerm,
  type AccountKey,
  type KeyManager,
  type KeyOutcome,
  type KeyRotation,
  type KeyTerms,
} from "@fairlane/protocol";
import { KEYS_MAX } from "../limits.ts";

const TABLE_SQL = `
CREATE TABLE IF NOT EXISTS keys (
  key_id TEXT PRIMARY KEY,
  key TEXT NOT NULL
) STRICT, WITHOUT ROWID;
`;

const LATER_FIELDS = {
  allowedModels: null,
  allowedAdapters: null,
  allowedIps: null,
  graceUntilMs: null,
};

const encoder = new TextEncoder();

export class KeyRing {
  readonly #storage: DurableObjectStorage;
  readonly #keys = new Map<string, AccountKey>();

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    storage.sql.exec(TABLE_SQL);
    for (const { key } of storage.sql.exec<{ key: string }>("SELECT key FROM keys")) {
      // Written by #write below; a key from before there were these fields has none of them.
      const read = { ...LATER_FIELDS, ...(JSON.parse(key) as AccountKey) };
      this.#keys.set(read.keyId, read);
    }
  }

  find(keyId: string): AccountKey | undefined {
    return this.#keys.get(keyId);
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
    if (!this.#keys.has(key.keyId) && !this.#makeRoom(nowMs)) return false;
    this.#write(key);
    return true;
  }

  /** Changes what is named of a living key. */
  change(keyId: string, change: Partial<KeyTerms>, manager: KeyManager | null): KeyOutcome {
    const found = this.#managed(keyId, manager);
    if (!found.ok) return found;
    const key = { ...found.key, ...change };
    const term = manager && widerTerm(key, manager);
    if (term) return { ok: false, reason: "wider", term };
    this.#write(key);
    return { ok: true, key };
  }

  /** Adds a successor and gives the old key its grace time, both or neither. */
  rotate(rotation: KeyRotation, manager: KeyManager | null, nowMs: number): KeyOutcome {
    const { successor, graceUntilMs } = rotation;
    const found = this.#managed(rotation.keyId, manager);
    if (!found.ok) return found;
    if (isDead(found.key, nowMs)) return { ok: false, reason: "revoked" };
    if (found.key.graceUntilMs !== null) return { ok: false, reason: "rotated" };
    if (!this.#makeRoom(nowMs)) return { ok: false, reason: "too_many" };
    const isOver = graceUntilMs <= nowMs;
    const key = { ...found.key, ...successor };
    const old = { ...found.key, graceUntilMs, revokedAtMs: isOver ? nowMs : null };
    this.#storage.transactionSync(() => {
      this.#insert(key);
      this.#insert(old);
    });
    this.#keys.set(key.keyId, key);
    this.#keys.set(old.keyId, old);
    return { ok: true, key };
  }

  /** Revokes a key; false when it is unknown to the manager. The first revocation's time stays. */
  revoke(keyId: string, manager: KeyManager | null, nowMs: number): boolean {
    const key = this.#keys.get(keyId);
    if (!key || !isOfProject(key, manager)) return false;
    if (key.revokedAtMs === null) this.#write({ ...key, revokedAtMs: nowMs });
    return true;
  }

  /** The living key of this id, if the manager may do anything to it. */
  #managed(keyId: string, manager: KeyManager | null): KeyOutcome {
    const key = this.#keys.get(keyId);
    if (!key || !isOfProject(key, manager)) return { ok: false, reason: "unknown" };
    if (key.revokedAtMs !== null) return { ok: false, reason: "revoked" };
    const term = manager && widerTerm(key, manager);
    return term ? { ok: false, reason: "wider", term } : { ok: true, key };
  }

  #makeRoom(nowMs: number): boolean {
    if (this.#keys.size < KEYS_MAX) return true;
    const dead = [...this.#keys.values()].find((one) => isDead(one, nowMs));
    if (!dead) return false;
    this.#storage.sql.exec("DELETE FROM keys WHERE key_id = ?", dead.keyId);
    this.#keys.delete(dead.keyId);
    return true;
  }

  #write(key: AccountKey): void {
    this.#insert(key);
    this.#keys.set(key.keyId, key);
  }

  #insert(key: AccountKey): void {
    this.#storage.sql.exec(
      "INSERT INTO keys (key_id, key) VALUES (?, ?) ON CONFLICT DO UPDATE SET key = excluded.key",
      key.keyId,
      JSON.stringify(key),
    );
  }
}

function isOfProject(key: AccountKey, manager: KeyManager | null): boolean {
  return manager === null || manager.projectId === key.projectId;
}

function isDead(key: AccountKey, nowMs: number): boolean {
  if (key.revokedAtMs !== null) return true;
  const endsMs = Math.min(key.expiresAtMs ?? Infinity, key.graceUntilMs ?? Infinity);
  return endsMs <= nowMs;
}
