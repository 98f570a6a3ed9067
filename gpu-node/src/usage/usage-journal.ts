// Owns the durable account of every billed request of this node: accepted, counted step by step, ended. A row is
// committed before `accept` is sent, one packed row before a step's frames leave, the final record before `done`;
// so whatever a hub was told is in here after a kill. Invariant: an accepted request gets exactly one final record,
// and within (epoch, tenant) records are numbered 1, 2, 3, ... without a gap.
import { join } from "node:path";
import { assert, type Clock } from "@fairlane/base";
import type { UsageRecord } from "@fairlane/protocol";
import type Database from "better-sqlite3";
import { lockJournal, type JournalLock } from "./journal-lock.ts";
import { openJournalFile, PAGE_BYTES } from "./journal-schema.ts";
import {
  JOURNAL_SOFT_BYTES_MAX,
  PRUNE_EVERY_RECORDS,
  SIZE_CHECK_COMMITS,
  UNACKED_RECORDS_MAX,
} from "./limits.ts";
import { packLiveCounts, unpackLiveCounts, type LiveCounts } from "./live-counts.ts";
import { UsageRecordRows, type BilledRequest, type PendingRecords } from "./usage-record-row.ts";

/** What one step changed of one billed request. */
export interface BilledProgress {
  readonly key: number;
  /** Cumulative. */
  readonly counts: LiveCounts;
  /** Set when the request ended. */
  readonly finishReason: UsageRecord["finish_reason"] | null;
}

export interface JournalOptions {
  /** Folder of the journal; made by the caller. */
  readonly folder: string;
  readonly nodeId: string;
  readonly clock: Clock;
}

interface OpenRow extends BilledRequest {
  readonly key: number;
  readonly epoch: number;
}

const ACCEPT_SQL = `
INSERT INTO open_requests (
  epoch, request_id, attempt, tenant_id, project_id, key_id, model, price_version, prompt_tokens, received_at_ms
) VALUES (
  :epoch, :requestId, :attempt, :tenantId, :projectId, :keyId, :model, :priceVersion, :promptTokens, :receivedAtMs
)`;

const OPEN_ROWS_SQL = `
SELECT key, epoch, request_id AS requestId, attempt, tenant_id AS tenantId, project_id AS projectId, key_id AS keyId,
  model, price_version AS priceVersion, prompt_tokens AS promptTokens, received_at_ms AS receivedAtMs
FROM open_requests ORDER BY key`;

const COUNTS_SQL = `
INSERT INTO live_counts (id, written_at_ms, packed) VALUES (1, ?, ?)
ON CONFLICT DO UPDATE SET written_at_ms = excluded.written_at_ms, packed = excluded.packed`;

export class UsageJournal {
  readonly epoch: number;
  readonly #database: Database.Database;
  readonly #lock: JournalLock;
  readonly #clock: Clock;
  readonly #rows: UsageRecordRows;
  readonly #insertOpen;
  readonly #deleteOpen;
  readonly #writeCounts;
  // Both hold open requests only; their number is bounded by the live requests of the node.
  readonly #open = new Map<number, BilledRequest>();
  readonly #counts = new Map<number, LiveCounts>();
  #unackedRecords = 0;
  #ackedSincePrune = 0;
  #commitsUntilSizeCheck = 0;
  #usedBytes = 0;

  /** Opens or makes the journal, closes what an earlier epoch left open as `node_lost`, starts a new epoch. */
  constructor(options: JournalOptions) {
    this.#lock = lockJournal(join(options.folder, "usage-journal.lock"));
    try {
      this.#database = openJournalFile(join(options.folder, "usage-journal.sqlite"));
    } catch (error) {
      this.#lock.release();
      throw error;
    }
    this.#clock = options.clock;
    this.#rows = new UsageRecordRows(this.#database);
    this.#insertOpen = this.#database.prepare<[BilledRequest & { epoch: number }]>(ACCEPT_SQL);
    this.#deleteOpen = this.#database.prepare<[number]>("DELETE FROM open_requests WHERE key = ?");
    this.#writeCounts = this.#database.prepare<[number, Uint8Array]>(COUNTS_SQL);
    try {
      this.epoch = this.#database.transaction(() => this.#beginEpoch(options.nodeId))();
    } catch (error) {
      this.close();
      throw error;
    }
    this.#unackedRecords = this.#rows.countUnacked();
  }

  /** Records that the hub has not acknowledged yet. */
  get unackedRecords(): number {
    return this.#unackedRecords;
  }

  /** Why nothing more may be accepted, or undefined. Accepted requests can always be finished. */
  get fullReason(): string | undefined {
    if (this.#unackedRecords >= UNACKED_RECORDS_MAX) {
      return `${this.#unackedRecords} usage records wait for the hub's acknowledgement, bound ${UNACKED_RECORDS_MAX}`;
    }
    if (this.#usedBytes >= JOURNAL_SOFT_BYTES_MAX) {
      return `the usage journal takes ${this.#usedBytes} bytes, bound ${JOURNAL_SOFT_BYTES_MAX}`;
    }
    return undefined;
  }

  /** Makes accepted requests durable, in one transaction; returns their journal keys in the same order. */
  accept(requests: readonly BilledRequest[]): readonly number[] {
    const keys = this.#database.transaction(() =>
      requests.map((request) =>
        Number(this.#insertOpen.run({ ...request, epoch: this.epoch }).lastInsertRowid),
      ),
    )();
    for (const [index, request] of requests.entries()) this.#open.set(keys[index] ?? 0, request);
    this.#afterCommit();
    return keys;
  }

  /** Makes a step's counts and ends durable: one packed row, one transaction. Nothing to do is free. */
  commitStep(progress: readonly BilledProgress[]): void {
    if (progress.length === 0) return;
    const next = new Map(this.#counts);
    for (const { key, counts, finishReason } of progress) {
      assertGrowing(this.#open.get(key), this.#counts.get(key), counts);
      if (finishReason === null) next.set(key, counts);
      else next.delete(key);
    }
    const ended = progress.filter((one) => one.finishReason !== null);
    this.#database.transaction(() => this.#writeStep(next, ended))();
    this.#counts.clear();
    for (const [key, counts] of next) this.#counts.set(key, counts);
    for (const { key } of ended) this.#open.delete(key);
    this.#unackedRecords += ended.length;
    this.#afterCommit();
  }

  /** The oldest unacknowledged records past `afterPosition`, all of one epoch. */
  pending(afterPosition: number, limit: number): PendingRecords | undefined {
    return this.#rows.pending(afterPosition, limit);
  }

  /** Takes the hub's word that records are durable there. Unknown epochs and tenants are ignored. */
  ack(
    epoch: number,
    watermarks: readonly { readonly tenant_id: string; readonly seq: number }[],
  ): void {
    const atMs = this.#clock.nowMs();
    const ackedRecords = this.#database.transaction(() => {
      let changed = 0;
      for (const { tenant_id: tenantId, seq } of watermarks) {
        changed += this.#rows.ack({ epoch, tenantId, seq, atMs });
      }
      if (this.#ackedSincePrune + changed >= PRUNE_EVERY_RECORDS) this.#rows.prune();
      return changed;
    })();
    this.#ackedSincePrune = (this.#ackedSincePrune + ackedRecords) % PRUNE_EVERY_RECORDS;
    this.#unackedRecords -= ackedRecords;
    assert(this.#unackedRecords >= 0, `${this.#unackedRecords} unacknowledged records`);
  }

  /** Closes the file; open requests stay open and are closed as `node_lost` by the next epoch. */
  close(): void {
    this.#database.close();
    this.#lock.release();
  }

  #writeStep(live: ReadonlyMap<number, LiveCounts>, ended: readonly BilledProgress[]): void {
    const nowMs = this.#clock.nowMs();
    for (const { key, counts, finishReason } of ended) {
      const request = this.#open.get(key);
      assert(request !== undefined && finishReason !== null, `journal key ${key} is not open`);
      this.#rows.insertFinal(this.epoch, request, { finishReason, counts, endedAtMs: nowMs });
      this.#deleteOpen.run(key);
    }
    this.#writeCounts.run(nowMs, packLiveCounts(live));
  }

  #beginEpoch(nodeId: string): number {
    const nowMs = this.#clock.nowMs();
    const stored = this.#database
      .prepare<[], { node_id: string; epoch: number }>("SELECT node_id, epoch FROM node")
      .get();
    if (stored && stored.node_id !== nodeId) {
      throw new Error(
        `This state folder belongs to node '${stored.node_id}', not to '${nodeId}': usage must stay under the name it was journaled with. Use another --state-dir or --node-name ${stored.node_id}.`,
      );
    }
    this.#closeLost();
    const epoch = Math.max((stored?.epoch ?? 0) + 1, nowMs);
    this.#database
      .prepare(
        "INSERT INTO node (id, node_id, epoch) VALUES (1, ?, ?) ON CONFLICT DO UPDATE SET epoch = excluded.epoch",
      )
      .run(nodeId, epoch);
    return epoch;
  }

  /** Ends what the last process left open, under the epoch that accepted it, with the counts it committed. */
  #closeLost(): void {
    const row = this.#database
      .prepare<[], { written_at_ms: number; packed: Uint8Array }>(
        "SELECT written_at_ms, packed FROM live_counts",
      )
      .get();
    const counts = row ? unpackLiveCounts(row.packed) : new Map<number, LiveCounts>();
    for (const { key, epoch, ...request } of this.#database
      .prepare<[], OpenRow>(OPEN_ROWS_SQL)
      .all()) {
      this.#rows.insertFinal(epoch, request, {
        finishReason: "node_lost",
        counts: counts.get(key),
        endedAtMs: Math.max(request.receivedAtMs, row?.written_at_ms ?? 0),
      });
    }
    this.#database.exec(`
      DELETE FROM open_requests;
      DELETE FROM live_counts;
      DELETE FROM tenant_seqs;
    `);
  }

  #afterCommit(): void {
    this.#commitsUntilSizeCheck -= 1;
    if (this.#commitsUntilSizeCheck > 0) return;
    this.#commitsUntilSizeCheck = SIZE_CHECK_COMMITS;
    const pages = Number(this.#database.pragma("page_count", { simple: true }));
    const freePages = Number(this.#database.pragma("freelist_count", { simple: true }));
    this.#usedBytes = (pages - freePages) * PAGE_BYTES;
  }
}

function assertGrowing(
  request: BilledRequest | undefined,
  before: LiveCounts | undefined,
  counts: LiveCounts,
): void {
  assert(request !== undefined, "counts of a request that is not open");
  const grows =
    counts.outputTokens >= (before?.outputTokens ?? 0) &&
    counts.computedPromptTokens >= (before?.computedPromptTokens ?? 0);
  assert(grows, `counts of ${request.requestId} went back`);
}
