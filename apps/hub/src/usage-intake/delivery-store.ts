// Owns what clients received of answers whose node is gone, until the time that the node's own records had to come is over;
// then it becomes records of this object's own sequence, which bill what no record of a node has. Invariant: a delivery
// becomes at most one record, in the transaction that forgets it.
import type { Delivery, SettleRecord } from "@fairlane/protocol";
import { DELIVERIES_KEPT_MAX, ESTIMATES_PER_RUN_MAX } from "../limits.ts";
import type { PackStore } from "./pack-store.ts";

/** Stands where a node's name stands; a node's name has no colon. */
export const ESTIMATE_SOURCE = { nodeId: "hub:estimate", epoch: 1 } as const;

const TABLE_SQL = `
CREATE TABLE IF NOT EXISTS deliveries (
  request_id TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  due_ms INTEGER NOT NULL,
  delivery TEXT NOT NULL,
  PRIMARY KEY (request_id, attempt)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS deliveries_by_due ON deliveries (due_ms);
`;

export class DeliveryStore {
  readonly #storage: DurableObjectStorage;
  readonly #packs: PackStore;
  #count: number;

  constructor(storage: DurableObjectStorage, packs: PackStore) {
    this.#storage = storage;
    this.#packs = packs;
    storage.sql.exec(TABLE_SQL);
    this.#count = storage.sql.exec<{ n: number }>("SELECT count(*) AS n FROM deliveries").one().n;
  }

  /** When the next delivery is due; undefined when none waits. */
  nextDueMs(): number | undefined {
    if (this.#count === 0) return undefined;
    if (this.#count > DELIVERIES_KEPT_MAX) return 0;
    return this.#storage.sql
      .exec<{ due: number }>("SELECT min(due_ms) AS due FROM deliveries")
      .one().due;
  }

  /** Keeps deliveries until `dueMs`; of one that is kept the larger count. */
  note(deliveries: readonly Delivery[], dueMs: number): void {
    for (const delivery of deliveries) {
      const { requestId, attempt } = delivery;
      this.#storage.sql.exec(
        `INSERT INTO deliveries (request_id, attempt, due_ms, delivery) VALUES (?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET delivery = excluded.delivery
         WHERE json_extract(excluded.delivery, '$.outputTokens') > json_extract(delivery, '$.outputTokens')`,
        requestId,
        attempt,
        dueMs,
        JSON.stringify(delivery),
      );
    }
    this.#count = this.#storage.sql
      .exec<{ n: number }>("SELECT count(*) AS n FROM deliveries")
      .one().n;
  }

  /** Kept deliveries of a tenant whose requests ended before this time. */
  waitingBefore(tenantId: string, endedBeforeMs: number): number {
    return this.#storage.sql
      .exec<{ n: number }>(
        `SELECT count(*) AS n FROM deliveries
         WHERE json_extract(delivery, '$.tenantId') = ? AND json_extract(delivery, '$.endedAtMs') < ?`,
        tenantId,
        endedBeforeMs,
      )
      .one().n;
  }

  /** Makes records of what is due; returns the tenants that have some now. */
  takeDue(nowMs: number): readonly string[] {
    return this.#storage.transactionSync(() => {
      const beforeMs = this.#count > DELIVERIES_KEPT_MAX ? Number.MAX_SAFE_INTEGER : nowMs;
      const rows = this.#storage.sql
        .exec<{ request_id: string; attempt: number; delivery: string }>(
          `SELECT request_id, attempt, delivery FROM deliveries WHERE due_ms <= ?
           ORDER BY due_ms LIMIT ${ESTIMATES_PER_RUN_MAX}`,
          beforeMs,
        )
        .toArray();
      const byTenant = new Map<string, Omit<SettleRecord, "seq">[]>();
      for (const row of rows) {
        // Written by `note` above.
        const delivery = JSON.parse(row.delivery) as Delivery;
        const records = byTenant.get(delivery.tenantId) ?? [];
        records.push(recordOf(delivery));
        byTenant.set(delivery.tenantId, records);
        this.#storage.sql.exec(
          "DELETE FROM deliveries WHERE request_id = ? AND attempt = ?",
          row.request_id,
          row.attempt,
        );
      }
      for (const [tenantId, records] of byTenant) {
        this.#packs.append({ tenantId, ...ESTIMATE_SOURCE }, records);
      }
      this.#count -= rows.length;
      return [...byTenant.keys()];
    });
  }
}

/** What was delivered, as a record. How much of the prompt came from a cache is not known: the cheaper price is taken. */
function recordOf(delivery: Delivery): Omit<SettleRecord, "seq"> {
  const { promptTokens, outputTokens, receivedAtMs, endedAtMs } = delivery;
  return {
    tenant_id: delivery.tenantId,
    request_id: delivery.requestId,
    attempt: delivery.attempt,
    project_id: delivery.projectId,
    key_id: delivery.keyId,
    model: delivery.model,
    price_version: delivery.priceVersion,
    final: true,
    finish_reason: "node_lost",
    prompt_tokens: promptTokens,
    cached_tokens: promptTokens,
    computed_prompt_tokens: 0,
    output_tokens: outputTokens,
    received_at_ms: receivedAtMs,
    queue_ms: 0,
    ttft_ms: null,
    ended_at_ms: endedAtMs,
    estimated: true,
  };
}
