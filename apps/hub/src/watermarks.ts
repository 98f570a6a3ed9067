// Owns the table of watermarks: up to which number the records of (tenant, node, epoch) have been taken. Shared by
// UsageIntake (taken = durable here) and TenantAccount (taken = settled). The table does not grow with time: beyond
// EPOCHS_KEPT_MAX epochs of a (tenant, node) the oldest is closed, and everything of a closed epoch counts as taken.
// Invariant: a watermark never falls.
import { assert } from "@fairlane/base";
import { EPOCHS_KEPT_MAX } from "./limits.ts";
import { logEvent } from "./log.ts";

/** The watermark of a closed epoch: above every number. */
export const EPOCH_CLOSED = Number.MAX_SAFE_INTEGER;

/** One sequence of records. */
export interface RecordSource {
  readonly tenantId: string;
  readonly nodeId: string;
  readonly epoch: number;
}

const TABLES_SQL = `
CREATE TABLE IF NOT EXISTS watermarks (
  tenant_id TEXT NOT NULL,
  node_id TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, node_id, epoch)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS closed_epochs (
  tenant_id TEXT NOT NULL,
  node_id TEXT NOT NULL,
  last_epoch INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, node_id)
) STRICT, WITHOUT ROWID;
`;

export class Watermarks {
  readonly #sql: SqlStorage;
  readonly #epochsKeptMax: number;

  /** Makes the tables when they are not there. */
  constructor(sql: SqlStorage, epochsKeptMax: number = EPOCHS_KEPT_MAX) {
    this.#sql = sql;
    this.#epochsKeptMax = epochsKeptMax;
    sql.exec(TABLES_SQL);
  }

  /** The number of the last record taken; 0 before the first, EPOCH_CLOSED for a closed epoch. */
  read(source: RecordSource): number {
    const { tenantId, nodeId, epoch } = source;
    const [row] = this.#sql
      .exec<{ seq: number }>(
        "SELECT seq FROM watermarks WHERE tenant_id = ? AND node_id = ? AND epoch = ?",
        tenantId,
        nodeId,
        epoch,
      )
      .toArray();
    if (row) return row.seq;
    return epoch <= this.#lastClosed(source) ? EPOCH_CLOSED : 0;
  }

  /** Raises the watermark. Call inside the transaction that takes the records. */
  raise(source: RecordSource, seq: number): void {
    const known = this.read(source);
    assert(seq > known, `watermark of ${source.nodeId}/${source.epoch} falls: ${known} to ${seq}`);
    const { tenantId, nodeId, epoch } = source;
    this.#sql.exec(
      `INSERT INTO watermarks (tenant_id, node_id, epoch, seq) VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET seq = excluded.seq`,
      tenantId,
      nodeId,
      epoch,
      seq,
    );
    if (known === 0) this.#closeOldest(source);
  }

  #lastClosed({ tenantId, nodeId }: RecordSource): number {
    const [row] = this.#sql
      .exec<{ last_epoch: number }>(
        "SELECT last_epoch FROM closed_epochs WHERE tenant_id = ? AND node_id = ?",
        tenantId,
        nodeId,
      )
      .toArray();
    return row?.last_epoch ?? 0;
  }

  #closeOldest({ tenantId, nodeId }: RecordSource): void {
    const [oldest] = this.#sql
      .exec<{ epoch: number }>(
        `SELECT epoch FROM watermarks WHERE tenant_id = ? AND node_id = ?
         ORDER BY epoch DESC LIMIT 1 OFFSET ?`,
        tenantId,
        nodeId,
        this.#epochsKeptMax,
      )
      .toArray();
    if (!oldest) return;
    logEvent("warn", "epoch_closed", { tenantId, nodeId, epoch: oldest.epoch });
    this.#sql.exec(
      "DELETE FROM watermarks WHERE tenant_id = ? AND node_id = ? AND epoch <= ?",
      tenantId,
      nodeId,
      oldest.epoch,
    );
    this.#sql.exec(
      `INSERT INTO closed_epochs (tenant_id, node_id, last_epoch) VALUES (?, ?, ?)
       ON CONFLICT DO UPDATE SET last_epoch = excluded.last_epoch`,
      tenantId,
      nodeId,
      oldest.epoch,
    );
  }
}
