// Owns the records of idempotency keys: which request a key of a client belongs to, and how far it got. Claimed in the
// admission that lets the request in, so that two with the same key never both compute. The answers themselves are
// kept elsewhere, by whoever made the claim. Invariant: a key has one request until that failed or its day is over.
import type {
  ErrorCode,
  ErrorValue,
  IdempotencyInput,
  IdempotencyState,
  IdempotentRef,
} from "@fairlane/protocol";
import {
  IDEMPOTENCY_KEPT_MS,
  IDEMPOTENCY_KEYS_MAX,
  IDEMPOTENCY_WAITERS_MAX,
  RETRY_AFTER_MS,
} from "../limits.ts";

const TABLE_SQL = `
CREATE TABLE IF NOT EXISTS idempotency (
  key_hash TEXT PRIMARY KEY,
  body_hash TEXT NOT NULL,
  request_id TEXT NOT NULL,
  is_finished INTEGER NOT NULL,
  lease_until_ms INTEGER NOT NULL,
  expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`;

interface KeyRow extends Record<string, SqlStorageValue> {
  readonly key_hash: string;
  readonly body_hash: string;
  readonly request_id: string;
  readonly is_finished: number;
  readonly lease_until_ms: number;
  readonly expires_ms: number;
}

/** What is known of a key: nothing, another request that runs or is finished, or why it cannot be used. */
export type KnownKey =
  | { readonly kind: "free" }
  | {
      readonly kind: "known";
      readonly requestId: string;
      readonly state: "running" | "finished";
    }
  | { readonly kind: "refused"; readonly error: ErrorValue };

/** A request that comes with a key. */
export type WantedKey = IdempotencyInput & IdempotentRef;

export class IdempotencyKeys {
  readonly #sql: SqlStorage;
  /** Of running requests that others wait for; at most IDEMPOTENCY_WAITERS_MAX in all. */
  readonly #waiters = new Map<string, (() => void)[]>();
  #waiterCount = 0;
  #keyCount: number;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec(TABLE_SQL);
    this.#keyCount = sql.exec<{ n: number }>("SELECT count(*) AS n FROM idempotency").one().n;
  }

  /** Looks a key up for a request. */
  find(wanted: WantedKey, nowMs: number): KnownKey {
    const { requestId } = wanted;
    const row = this.#read(wanted);
    if (!row || row.expires_ms <= nowMs) return this.#mayClaim(nowMs);
    if (row.request_id === requestId) return { kind: "free" };
    if (row.body_hash !== wanted.bodyHash) {
      const message = "The Idempotency-Key was used with another request before.";
      return refused("idempotency_key_conflict", message);
    }
    if (row.is_finished === 1) return known(row, "finished");
    if (row.lease_until_ms > nowMs) return known(row, "running");
    const message = "The request with this Idempotency-Key was interrupted; it may have run.";
    return refused("idempotency_result_lost", message);
  }

  /** Claims a free key for a request that was let in. */
  claim(wanted: WantedKey, leaseUntilMs: number, nowMs: number): void {
    const before = this.#read(wanted);
    if (before?.request_id === wanted.requestId) return;
    this.#sql.exec(
      `INSERT OR REPLACE INTO idempotency (
         key_hash, body_hash, request_id, is_finished, lease_until_ms, expires_ms
       ) VALUES (?, ?, ?, 0, ?, ?)`,
      rowKey(wanted),
      wanted.bodyHash,
      wanted.requestId,
      leaseUntilMs,
      nowMs + IDEMPOTENCY_KEPT_MS,
    );
    if (!before) this.#keyCount += 1;
  }

  /** The request's answer is kept: it is replayed from now on. */
  finish(ref: IdempotentRef): void {
    this.#sql.exec(
      "UPDATE idempotency SET is_finished = 1 WHERE key_hash = ? AND request_id = ?",
      rowKey(ref),
      ref.requestId,
    );
    this.#wake(ref.requestId);
  }

  /** The request failed: the next one with its key computes. */
  forget(ref: IdempotentRef): void {
    const { rowsWritten } = this.#sql.exec(
      "DELETE FROM idempotency WHERE key_hash = ? AND request_id = ? AND is_finished = 0",
      rowKey(ref),
      ref.requestId,
    );
    if (rowsWritten > 0) this.#keyCount -= 1;
    this.#wake(ref.requestId);
  }

  /** How far the request is; waits a while for a running one. */
  async wait(ref: IdempotentRef, waitMs: number): Promise<IdempotencyState> {
    const { requestId } = ref;
    const state = (): IdempotencyState => {
      const row = this.#read(ref);
      if (row?.request_id !== requestId) return "forgotten";
      return row.is_finished === 1 ? "finished" : "running";
    };
    if (state() !== "running" || this.#waiterCount >= IDEMPOTENCY_WAITERS_MAX) return state();
    this.#waiterCount += 1;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, waitMs);
      const wake = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#waiters.set(requestId, [...(this.#waiters.get(requestId) ?? []), wake]);
    });
    this.#waiterCount -= 1;
    if (state() === "running") this.#waiters.delete(requestId);
    return state();
  }

  #wake(requestId: string): void {
    const waiters = this.#waiters.get(requestId) ?? [];
    this.#waiters.delete(requestId);
    for (const wake of waiters) wake();
  }

  /** A new key fits, once those whose day is over are gone. */
  #mayClaim(nowMs: number): KnownKey {
    if (this.#keyCount >= IDEMPOTENCY_KEYS_MAX) {
      this.#sql.exec("DELETE FROM idempotency WHERE expires_ms <= ?", nowMs);
      const counted = this.#sql.exec<{ n: number }>("SELECT count(*) AS n FROM idempotency");
      this.#keyCount = counted.one().n;
    }
    if (this.#keyCount < IDEMPOTENCY_KEYS_MAX) return { kind: "free" };
    const message = `The account remembers ${IDEMPOTENCY_KEYS_MAX} idempotency keys, as many as it may.`;
    return refused("too_many_idempotency_keys", message);
  }

  #read(key: Pick<IdempotentRef, "projectId" | "keyHash">): KeyRow | undefined {
    return this.#sql
      .exec<KeyRow>("SELECT * FROM idempotency WHERE key_hash = ?", rowKey(key))
      .toArray()[0];
  }
}

/** A project's keys are its own. */
function rowKey({ projectId, keyHash }: Pick<IdempotentRef, "projectId" | "keyHash">): string {
  return `${projectId}/${keyHash}`;
}

function known(row: KeyRow, state: "running" | "finished"): KnownKey {
  return { kind: "known", requestId: row.request_id, state };
}

function refused(code: ErrorCode, message: string): KnownKey {
  const error = { code, message, param: null };
  const isTransient = code === "too_many_idempotency_keys";
  return {
    kind: "refused",
    error: isTransient ? { ...error, retryAfterMs: RETRY_AFTER_MS } : error,
  };
}
