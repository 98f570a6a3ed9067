// Owns the statements on usage records: insert with the next gap-free number of (epoch, tenant), read what is not
// acknowledged, mark what is. Transactions are usage-journal.ts's.
import type { UsageRecord } from "@fairlane/protocol";
import type Database from "better-sqlite3";
import { NO_COUNTS, type LiveCounts } from "./live-counts.ts";
import { ACKED_RECORDS_KEPT_MAX } from "./limits.ts";

/** What the journal knows of a request from its acceptance on. */
export interface BilledRequest {
  readonly requestId: string;
  readonly attempt: number;
  readonly tenantId: string;
  readonly projectId: string;
  readonly keyId: string;
  readonly model: string;
  readonly priceVersion: string;
  readonly promptTokens: number;
  readonly receivedAtMs: number;
}

/** How and with what counts a request ended. */
export interface RequestEnd {
  readonly finishReason: UsageRecord["finish_reason"];
  readonly counts: LiveCounts | undefined;
  readonly endedAtMs: number;
}

/** Records of one epoch in the order of their positions. */
export interface PendingRecords {
  readonly epoch: number;
  readonly records: readonly UsageRecord[];
  readonly lastPosition: number;
  /** Up to which number each tenant's records of the epoch are acknowledged; those with none are absent. */
  readonly acked: readonly { readonly tenant_id: string; readonly seq: number }[];
}

type RecordRow = Omit<UsageRecord, "final"> & { readonly position: number; readonly epoch: number };

const NEXT_SEQ_SQL = `
INSERT INTO tenant_seqs (epoch, tenant_id, last_seq) VALUES (?, ?, 1)
ON CONFLICT DO UPDATE SET last_seq = last_seq + 1
RETURNING last_seq`;

const INSERT_SQL = `
INSERT INTO usage_records (
  epoch, tenant_id, seq, request_id, attempt, project_id, key_id, model, price_version, finish_reason, prompt_tokens,
  cached_tokens, computed_prompt_tokens, output_tokens, received_at_ms, queue_ms, ttft_ms, ended_at_ms
) VALUES (
  :epoch, :tenant_id, :seq, :request_id, :attempt, :project_id, :key_id, :model, :price_version, :finish_reason,
  :prompt_tokens, :cached_tokens, :computed_prompt_tokens, :output_tokens, :received_at_ms, :queue_ms, :ttft_ms,
  :ended_at_ms
)`;

const PENDING_SQL = `
SELECT position, epoch, tenant_id, seq, request_id, attempt, project_id, key_id, model, price_version, finish_reason,
  prompt_tokens, cached_tokens, computed_prompt_tokens, output_tokens, received_at_ms, queue_ms, ttft_ms, ended_at_ms
FROM usage_records WHERE acked_at_ms IS NULL AND epoch = ? AND position > ?
ORDER BY position LIMIT ?`;

const OLDEST_EPOCH_SQL = `
SELECT epoch FROM usage_records WHERE acked_at_ms IS NULL AND position > ? ORDER BY epoch LIMIT 1`;

const FIRST_UNACKED_SQL = `
SELECT seq FROM usage_records WHERE acked_at_ms IS NULL AND epoch = ? AND tenant_id = ? ORDER BY position LIMIT 1`;

const ACK_SQL = `
UPDATE usage_records SET acked_at_ms = ?
WHERE epoch = ? AND tenant_id = ? AND seq <= ? AND acked_at_ms IS NULL`;

const PRUNE_SQL = `
DELETE FROM usage_records WHERE acked_at_ms IS NOT NULL AND position <= (
  SELECT position FROM usage_records WHERE acked_at_ms IS NOT NULL
  ORDER BY position DESC LIMIT 1 OFFSET ${ACKED_RECORDS_KEPT_MAX}
)`;

export class UsageRecordRows {
  readonly #nextSeq;
  readonly #insert;
  readonly #pending;
  readonly #oldestEpoch;
  readonly #firstUnacked;
  readonly #ack;
  readonly #prune;
  readonly #countUnacked;

  constructor(database: Database.Database) {
    this.#nextSeq = database.prepare<[number, string], { last_seq: number }>(NEXT_SEQ_SQL);
    this.#insert = database.prepare<[Record<string, string | number | null>]>(INSERT_SQL);
    this.#pending = database.prepare<[number, number, number], RecordRow>(PENDING_SQL);
    this.#oldestEpoch = database.prepare<[number], { epoch: number }>(OLDEST_EPOCH_SQL);
    this.#firstUnacked = database.prepare<[number, string], { seq: number }>(FIRST_UNACKED_SQL);
    this.#ack = database.prepare<[number, number, string, number]>(ACK_SQL);
    this.#prune = database.prepare<[]>(PRUNE_SQL);
    this.#countUnacked = database.prepare<[], { unacked: number }>(
      "SELECT count(*) AS unacked FROM usage_records WHERE acked_at_ms IS NULL",
    );
  }

  /** Inserts the final record of a request under its epoch; the caller holds the transaction. */
  insertFinal(epoch: number, request: BilledRequest, end: RequestEnd): void {
    const counts = end.counts ?? NO_COUNTS;
    const seq = this.#nextSeq.get(epoch, request.tenantId)?.last_seq;
    if (seq === undefined) throw new Error("no sequence number was returned");
    this.#insert.run({
      epoch,
      tenant_id: request.tenantId,
      seq,
      request_id: request.requestId,
      attempt: request.attempt,
      project_id: request.projectId,
      key_id: request.keyId,
      model: request.model,
      price_version: request.priceVersion,
      finish_reason: end.finishReason,
      prompt_tokens: request.promptTokens,
      cached_tokens: counts.cachedTokens,
      computed_prompt_tokens: counts.computedPromptTokens,
      output_tokens: counts.outputTokens,
      received_at_ms: request.receivedAtMs,
      queue_ms: counts.queueMs ?? Math.max(0, end.endedAtMs - request.receivedAtMs),
      ttft_ms: counts.ttftMs,
      ended_at_ms: end.endedAtMs,
    });
  }

  /** Up to `limit` unacknowledged records of one epoch, the oldest that has any past `afterPosition`. */
  pending(afterPosition: number, limit: number): PendingRecords | undefined {
    const epoch = this.#oldestEpoch.get(afterPosition)?.epoch;
    if (epoch === undefined) return undefined;
    const rows = this.#pending.all(epoch, afterPosition, limit);
    const records = rows.map(({ position: _, epoch: __, ...record }) => ({
      ...record,
      final: true,
    }));
    const lastPosition = rows.at(-1)?.position ?? afterPosition;
    return { epoch, records, lastPosition, acked: this.#ackedOf(epoch, records) };
  }

  #ackedOf(epoch: number, records: readonly UsageRecord[]): PendingRecords["acked"] {
    const tenantIds = [...new Set(records.map((record) => record.tenant_id))];
    return tenantIds.flatMap((tenantId) => {
      // Acknowledgements are for all numbers up to one.
      const first = this.#firstUnacked.get(epoch, tenantId)?.seq ?? 1;
      return first === 1 ? [] : [{ tenant_id: tenantId, seq: first - 1 }];
    });
  }

  /** Marks a tenant's records up to `seq` as acknowledged; returns how many were not before. */
  ack(watermark: { epoch: number; tenantId: string; seq: number; atMs: number }): number {
    return this.#ack.run(watermark.atMs, watermark.epoch, watermark.tenantId, watermark.seq)
      .changes;
  }

  /** Drops all but the newest acknowledged records. */
  prune(): void {
    this.#prune.run();
  }

  countUnacked(): number {
    return this.#countUnacked.get()?.unacked ?? 0;
  }
}
