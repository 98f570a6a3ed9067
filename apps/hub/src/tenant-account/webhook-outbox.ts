// Owns the webhook outbox of a tenant: events that its endpoint has not taken yet, as CloudEvents. At least once, with
// stable ids; an event that fails waits longer each time, and does not hold up others. Invariant: an event leaves only
// when the endpoint has answered 2xx, or when it is too old, which is logged.
import { WEBHOOK_EVENT_KEPT_MS, WEBHOOK_EVENTS_MAX, WEBHOOK_SENDS_MAX } from "../limits.ts";
import { logEvent, reasonOf } from "../log.ts";
import { retryPauseMs } from "../retry.ts";

const TABLE_SQL = `
CREATE TABLE IF NOT EXISTS webhook_events (
  id TEXT PRIMARY KEY,
  body TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  due_ms INTEGER NOT NULL,
  failure_count INTEGER NOT NULL
) STRICT;
`;

interface EventRow extends Record<string, SqlStorageValue> {
  readonly id: string;
  readonly body: string;
  readonly created_ms: number;
  readonly failure_count: number;
}

export interface WebhookEvent {
  readonly id: string;
  readonly tenantId: string;
  readonly type: string;
  readonly atMs: number;
  readonly data: Readonly<Record<string, string | number>>;
}

/** Sends one event; rejects unless the endpoint took it. */
export type SendEvent = (event: { readonly id: string; readonly body: string }) => Promise<void>;

export class WebhookOutbox {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec(TABLE_SQL);
  }

  /** Adds an event; one with the same id that waits already stays as it is. */
  add(event: WebhookEvent): void {
    const { count } = this.#sql
      .exec<{ count: number }>("SELECT count(*) AS count FROM webhook_events")
      .one();
    const { id, tenantId, type, atMs, data } = event;
    if (count >= WEBHOOK_EVENTS_MAX) {
      return logEvent("error", "webhook_outbox_full", { tenantId, id });
    }
    const body = JSON.stringify({
      specversion: "1.0",
      id,
      source: `/tenants/${tenantId}`,
      type,
      time: new Date(atMs).toISOString(),
      datacontenttype: "application/json",
      data,
    });
    this.#sql.exec(
      `INSERT INTO webhook_events (id, body, created_ms, due_ms, failure_count)
       VALUES (?, ?, ?, ?, 0) ON CONFLICT DO NOTHING`,
      id,
      body,
      atMs,
      atMs,
    );
  }

  /** When the next event is due; undefined when none waits. */
  nextDueMs(): number | undefined {
    const { dueMs } = this.#sql
      .exec<{ dueMs: number | null }>("SELECT min(due_ms) AS dueMs FROM webhook_events")
      .one();
    return dueMs ?? undefined;
  }

  /** Forgets all events: there is no endpoint any more. */
  clear(): void {
    this.#sql.exec("DELETE FROM webhook_events");
  }

  /** Sends what is due, a few at most. Never rejects. */
  async flush(send: SendEvent, clock: { nowMs(): number }): Promise<void> {
    const due = this.#sql
      .exec<EventRow>(
        `SELECT id, body, created_ms, failure_count FROM webhook_events
         WHERE due_ms <= ? ORDER BY due_ms LIMIT ${WEBHOOK_SENDS_MAX}`,
        clock.nowMs(),
      )
      .toArray();
    await Promise.all(due.map((event) => this.#send(event, send, clock)));
  }

  async #send(event: EventRow, send: SendEvent, clock: { nowMs(): number }): Promise<void> {
    const { id, body } = event;
    try {
      await send({ id, body });
      this.#sql.exec("DELETE FROM webhook_events WHERE id = ?", id);
    } catch (error) {
      const failureCount = event.failure_count + 1;
      const nowMs = clock.nowMs();
      logEvent("warn", "webhook_failed", { id, failureCount, reason: reasonOf(error) });
      if (nowMs - event.created_ms >= WEBHOOK_EVENT_KEPT_MS) {
        logEvent("error", "webhook_given_up", { id, failureCount });
        this.#sql.exec("DELETE FROM webhook_events WHERE id = ?", id);
        return;
      }
      this.#sql.exec(
        "UPDATE webhook_events SET failure_count = ?, due_ms = ? WHERE id = ?",
        failureCount,
        nowMs + retryPauseMs(failureCount),
        id,
      );
    }
  }
}
