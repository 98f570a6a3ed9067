// Owns the way of the region's service to D1 and of other regions' from it: changed cells and hours in batches, closed
// epochs at once, other regions' sums back; and, when this object's storage was lost, its cells from D1. Invariant:
// whatever fails is tried again, and repeating any of it changes nothing, since all rows are cumulative.
import type { Clock } from "@fairlane/base";
import {
  closeFairEpochs,
  FAIR_ROWS_MAX,
  fairCountersOf,
  remoteService,
  writeFairCounters,
  writeFairHours,
  type FairCounter,
  type LedgerDb,
} from "@fairlane/db";
import {
  CHECKPOINT_BATCHES_MAX,
  CHECKPOINT_MS,
  FLEET_POLL_MS,
  FLEET_PRUNE_MS,
  HOURS_KEPT_MS,
  LEDGER_TIMEOUT_MS,
  REGION_SKEW_MS,
  SERVICE_KEPT_MS,
} from "../limits.ts";
import { logEvent, reasonOf } from "../log.ts";
import { retryPauseMs, withTimeout } from "../retry.ts";
import { CLOSED_NODE, type FleetStore } from "./fleet-store.ts";
import { cellOf, countsOf, type CellRow, type CountColumns } from "./fleet-tables.ts";

export interface CheckpointOptions {
  readonly sql: SqlStorage;
  readonly store: FleetStore;
  readonly region: string;
  /** A fresh handle. */
  readonly ledger: () => LedgerDb;
  readonly clock: Clock;
}

interface FleetRow extends Record<string, SqlStorageValue> {
  readonly epoch: number;
  readonly is_restored: number;
  readonly written_cells_seq: number;
  readonly written_hours_seq: number;
  readonly remote_since_ms: number;
}

interface HourRow extends CountColumns {
  readonly tenant_id: string;
  readonly hour_ms: number;
  readonly weight: number;
}

interface ClosedRow extends Record<string, SqlStorageValue> {
  readonly node_id: string;
  readonly through_epoch: number;
}

export class FleetCheckpoint {
  readonly #options: CheckpointOptions;
  #lastAskedMs = 0;
  #dueMs: number | undefined;
  #lastRunMs = 0;
  #failureCount = 0;
  #prunedAtMs = 0;
  #running: Promise<void> | undefined;
  #restoring: Promise<void> | undefined;

  constructor(options: CheckpointOptions) {
    this.#options = options;
    if (this.#hasUnwritten()) this.#dueMs = 0;
  }

  /** When the next run is due; undefined when there is nothing to write and nobody asks. */
  nextDueMs(): number | undefined {
    return this.#dueMs;
  }

  /** A shard asks, with or without changes: from now on D1 is kept up to date with the region, and the other way. */
  noteAsked(): void {
    this.#lastAskedMs = this.#options.clock.nowMs();
    this.#dueMs ??= Math.max(this.#lastAskedMs, this.#lastRunMs + CHECKPOINT_MS);
  }

  /** Resolves once what D1 kept of a lost storage is back. Rejects when D1 cannot say. */
  async restored(): Promise<void> {
    if (this.#fleet().is_restored !== 0) return;
    this.#restoring ??= this.#restore().finally(() => (this.#restoring = undefined));
    return this.#restoring;
  }

  /** Runs what is due. One run at a time: a second call waits for the first. Never rejects. */
  async run(): Promise<void> {
    if (this.#dueMs === undefined || this.#dueMs > this.#options.clock.nowMs()) return;
    this.#running ??= this.#runOnce().finally(() => (this.#running = undefined));
    return this.#running;
  }

  async #runOnce(): Promise<void> {
    const { clock } = this.#options;
    try {
      await this.#write();
      await this.#readRemote();
      this.#failureCount = 0;
    } catch (error) {
      this.#failureCount += 1;
      const failureCount = this.#failureCount;
      logEvent("warn", "fleet_checkpoint_failed", { failureCount, reason: reasonOf(error) });
    }
    const nowMs = clock.nowMs();
    this.#lastRunMs = nowMs;
    const isAsked = nowMs - this.#lastAskedMs < FLEET_POLL_MS;
    if (this.#failureCount > 0) this.#dueMs = nowMs + retryPauseMs(this.#failureCount);
    else this.#dueMs = isAsked || this.#hasUnwritten() ? nowMs + CHECKPOINT_MS : undefined;
  }

  async #write(): Promise<void> {
    await this.#writeClosed();
    for (let batch = 0; batch < CHECKPOINT_BATCHES_MAX; batch++) {
      if (!(await this.#writeCells())) break;
    }
    for (let batch = 0; batch < CHECKPOINT_BATCHES_MAX; batch++) {
      if (!(await this.#writeHours())) break;
    }
    this.#prune();
  }

  #prune(): void {
    const nowMs = this.#options.clock.nowMs();
    if (nowMs - this.#prunedAtMs < FLEET_PRUNE_MS) return;
    this.#prunedAtMs = nowMs;
    this.#options.store.prune({ hourMs: nowMs - HOURS_KEPT_MS, changeMs: nowMs - SERVICE_KEPT_MS });
  }

  /** Before anything else: a closed sum must not stand beside the cells that are in it. */
  async #writeClosed(): Promise<void> {
    const { sql, region } = this.#options;
    const nodes = sql
      .exec<ClosedRow>("SELECT node_id, through_epoch FROM closed_nodes WHERE is_written = 0")
      .toArray();
    if (nodes.length === 0) return;
    const sums = sql
      .exec<CellRow>("SELECT * FROM service_cells WHERE node_id = ?", CLOSED_NODE)
      .toArray();
    const closed = nodes.map((row) => ({
      region,
      nodeId: row.node_id,
      throughEpoch: row.through_epoch,
    }));
    const rows = sums.map((row) => this.#counterOf(row));
    await this.#inTime((ledger) => closeFairEpochs(ledger, closed, rows));
    for (const { nodeId, throughEpoch } of closed) {
      sql.exec(
        "UPDATE closed_nodes SET is_written = 1 WHERE node_id = ? AND through_epoch = ?",
        nodeId,
        throughEpoch,
      );
    }
  }

  /** True when there may be more. */
  async #writeCells(): Promise<boolean> {
    const { sql } = this.#options;
    const rows = sql
      .exec<CellRow>(
        `SELECT * FROM service_cells WHERE changed_seq > ? AND node_id <> ? ORDER BY changed_seq LIMIT ?`,
        this.#fleet().written_cells_seq,
        CLOSED_NODE,
        FAIR_ROWS_MAX,
      )
      .toArray();
    const last = rows.at(-1);
    if (!last) return false;
    const counters = rows.map((row) => this.#counterOf(row));
    await this.#inTime((ledger) => writeFairCounters(ledger, counters));
    sql.exec("UPDATE fleet SET written_cells_seq = ?", last.changed_seq);
    return rows.length === FAIR_ROWS_MAX;
  }

  /** True when there may be more. */
  async #writeHours(): Promise<boolean> {
    const { sql, region } = this.#options;
    const { epoch, written_hours_seq: writtenSeq } = this.#fleet();
    const rows = sql
      .exec<HourRow>(
        "SELECT * FROM service_hours WHERE changed_seq > ? ORDER BY changed_seq LIMIT ?",
        writtenSeq,
        FAIR_ROWS_MAX,
      )
      .toArray();
    const last = rows.at(-1);
    if (!last) return false;
    const hours = rows.map((row) => ({
      tenantId: row.tenant_id,
      hourMs: row.hour_ms,
      region,
      epoch,
      weight: row.weight,
      ...countsOf(row),
    }));
    await this.#inTime((ledger) => writeFairHours(ledger, hours));
    sql.exec("UPDATE fleet SET written_hours_seq = ?", last.changed_seq);
    return rows.length === FAIR_ROWS_MAX;
  }

  async #readRemote(): Promise<void> {
    const { sql, store, region } = this.#options;
    // Clocks of regions differ, and a row may become visible after a newer one: some rows are read again.
    const sinceMs = this.#fleet().remote_since_ms;
    const readMs = Math.max(0, sinceMs - REGION_SKEW_MS);
    const { sums, newestMs } = await this.#inTime((ledger) =>
      remoteService(ledger, region, readMs),
    );
    store.takeRemote(sums);
    if (newestMs > sinceMs) sql.exec("UPDATE fleet SET remote_since_ms = ?", newestMs);
  }

  async #restore(): Promise<void> {
    const { sql, store, region, clock } = this.#options;
    let after: FairCounter | null = null;
    for (let isMore = true; isMore;) {
      const rows: readonly FairCounter[] = await this.#inTime((ledger) =>
        fairCountersOf(ledger, region, after),
      );
      store.restore(rows.map(fleetCellOf), clock.nowMs());
      after = rows.at(-1) ?? null;
      isMore = after !== null;
    }
    // Where tenants stood is lost: all begin level, above anything that was served, so nobody has credit.
    const floorUnits = store.mostUnits();
    store.raiseFloor(floorUnits);
    sql.exec("UPDATE fleet SET is_restored = 1");
    logEvent("info", "fleet_restored", { region, floorUnits });
  }

  #hasUnwritten(): boolean {
    const [row] = this.#options.sql
      .exec(
        `SELECT 1 FROM fleet WHERE written_cells_seq < (
             SELECT coalesce(max(changed_seq), 0) FROM service_cells WHERE node_id <> '${CLOSED_NODE}')
           OR written_hours_seq < (SELECT coalesce(max(changed_seq), 0) FROM service_hours)
           OR EXISTS (SELECT 1 FROM closed_nodes WHERE is_written = 0)`,
      )
      .toArray();
    return row !== undefined;
  }

  #fleet(): FleetRow {
    return this.#options.sql.exec<FleetRow>("SELECT * FROM fleet").one();
  }

  #counterOf(row: CellRow): FairCounter {
    const { counts, ...cell } = cellOf(row);
    const { region, clock } = this.#options;
    return { ...cell, ...counts, region, updatedAtMs: clock.nowMs() };
  }

  #inTime<T>(work: (ledger: LedgerDb) => Promise<T>): Promise<T> {
    return withTimeout(work(this.#options.ledger()), LEDGER_TIMEOUT_MS);
  }
}

function fleetCellOf(row: FairCounter) {
  const { tenantId, nodeId, epoch, weight, region: _, updatedAtMs: __, ...counts } = row;
  return { tenantId, nodeId, epoch, weight, counts };
}
