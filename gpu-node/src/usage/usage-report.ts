// Owns the way of usage records to the hub: unacknowledged ones are pushed on shard 0's link, oldest epoch first, one
// batch at a time, and again after a reconnect or a silence, until the hub says they are durable. The journal is the
// memory; nothing here is lost with the process.
import { protocolLimits, type AckFrame, type UsageFrame } from "@fairlane/protocol";
import type { Log } from "../log.ts";
import { ACK_TIMEOUT_MS } from "./limits.ts";
import type { UsageJournal } from "./usage-journal.ts";

export interface UsageReportOptions {
  readonly journal: UsageJournal;
  readonly nodeId: string;
  readonly log: Log;
  readonly ackTimeoutMs?: number;
}

/** Sends a frame on the link of shard 0. */
export type SendUsage = (frame: UsageFrame) => void;

interface Batch {
  readonly epoch: number;
  /** Highest seq sent, by tenant; a tenant leaves when all of its records are acknowledged. */
  readonly unacked: Map<string, number>;
  readonly lastPosition: number;
}

export class UsageReport {
  readonly #journal: UsageJournal;
  readonly #nodeId: string;
  readonly #log: Log;
  readonly #ackTimeoutMs: number;
  #send: SendUsage | undefined;
  #batch: Batch | undefined;
  #timer: NodeJS.Timeout | undefined;
  // Records at or before this position had their turn without an answer: later ones go first, then around again,
  // so that one tenant's refused record cannot hold back the others.
  #afterPosition = 0;

  constructor(options: UsageReportOptions) {
    this.#journal = options.journal;
    this.#nodeId = options.nodeId;
    this.#log = options.log;
    this.#ackTimeoutMs = options.ackTimeoutMs ?? ACK_TIMEOUT_MS;
  }

  /** The link of shard 0 is up: everything unacknowledged is sent again from the oldest on. */
  linkUp(send: SendUsage): void {
    this.linkDown();
    this.#send = send;
    this.#sendNext();
  }

  /** The link of shard 0 is gone; what was sent counts as not received. */
  linkDown(): void {
    clearTimeout(this.#timer);
    this.#send = undefined;
    this.#batch = undefined;
    this.#afterPosition = 0;
  }

  /** Tells that the journal has new final records. */
  recordsAdded(): void {
    if (!this.#batch) this.#sendNext();
  }

  /** Takes an `ack` frame. */
  acked(frame: AckFrame): void {
    this.#journal.ack(frame.epoch, frame.watermarks);
    const batch = this.#batch;
    if (!batch || frame.epoch !== batch.epoch) return;
    for (const { tenant_id: tenantId, seq } of frame.watermarks) {
      const sentSeq = batch.unacked.get(tenantId);
      if (sentSeq !== undefined && seq >= sentSeq) batch.unacked.delete(tenantId);
    }
    if (batch.unacked.size === 0) this.#sendNext();
  }

  #sendNext(): void {
    clearTimeout(this.#timer);
    this.#batch = undefined;
    if (!this.#send) return;
    const pending = this.#nextPending();
    if (!pending) return;
    const { epoch, records, lastPosition, acked } = pending;
    const unacked = new Map(records.map((record) => [record.tenant_id, record.seq]));
    this.#batch = { epoch, unacked, lastPosition };
    this.#timer = setTimeout(() => this.#timedOut(), this.#ackTimeoutMs);
    this.#send({
      type: "usage",
      node_id: this.#nodeId,
      epoch,
      records: [...records],
      ...(acked.length === 0 ? {} : { acked: [...acked] }),
    });
  }

  #nextPending() {
    const limit = protocolLimits.USAGE_RECORDS_MAX;
    const pending = this.#journal.pending(this.#afterPosition, limit);
    if (pending || this.#afterPosition === 0) return pending;
    this.#afterPosition = 0;
    return this.#journal.pending(0, limit);
  }

  #timedOut(): void {
    const batch = this.#batch;
    if (!batch) return;
    this.#log.warn("usage_not_acknowledged", {
      epoch: batch.epoch,
      tenantCount: batch.unacked.size,
      unackedRecords: this.#journal.unackedRecords,
    });
    this.#afterPosition = batch.lastPosition;
    this.#sendNext();
  }
}
