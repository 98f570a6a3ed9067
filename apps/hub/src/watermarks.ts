// Owns the table of watermarks: up to which number the records of (tenant, node, epoch) have been taken. Shared by
// UsageIntake (taken = durable here; it keeps the sums of what it took as well) and TenantAccount (taken = settled). The table does not grow with time: beyond
// EPOCHS_KEPT_MAX epochs of a (tenant, node) the oldest is closed, and everything of a closed epoch counts as taken.
// Invariant: a watermark never falls.
import { assert } from "@fairlane/base";
import type { SourceSums } from "@fairlane/protocol";
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

/** Sums of records that were taken. */
export interface RecordSums {
  readonly records: number;
  /** Of those: final ones, each of which makes an entry of the ledger. */
  readonly entries: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
}

const NO_RECORDS: RecordSums = {
  records: 0,
  entries: 0,
  promptTokens: 0,
  cachedTokens: 0,
  outputTokens: 0,
};

const SUM_COLUMNS = [
  "records",
  "entries",
  "prompt_tokens",
  "cached_tokens",
  "output_tokens",
] as const;

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

const RAISE_SQL = `
INSERT INTO watermarks (tenant_id, node_id, epoch, seq, ${SUM_COLUMNS.join(", ")})
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET seq = excluded.seq,
  ${SUM_COLUMNS.map((column) => `${column} = ${column} + excluded.${column}`).join(", ")}`;

export class Watermarks {
  readonly #sql: SqlStorage;
  readonly #epochsKeptMax: number;

  /** Makes the tables when they are not there. */
  constructor(sql: SqlStorage, epochsKeptMax: number = EPOCHS_KEPT_MAX) {
    this.#sql = sql;
    this.#epochsKeptMax = epochsKeptMax;
    sql.exec(TABLES_SQL);
    const known = sql.exec<{ name: string }>("PRAGMA table_info(watermarks)").toArray();
    // A table that an earlier version made lacks them: its sources have sums of fewer records than their numbers say.
    for (const column of SUM_COLUMNS) {
      if (known.some(({ name }) => name === column)) continue;
      sql.exec(`ALTER TABLE watermarks ADD COLUMN ${column} INTEGER NOT NULL DEFAULT 0`);
    }
  }

  /** The tenant's sequences of the newest epochs, at most `sourcesMax`, each with the sums of what was taken of it. */
  sourcesOf(tenantId: string, sourcesMax: number): readonly SourceSums[] {
    return this.#sql
      .exec<SourceSums & Record<string, SqlStorageValue>>(
        `SELECT node_id AS nodeId, epoch, seq, records, entries, prompt_tokens AS promptTokens,
           cached_tokens AS cachedTokens, output_tokens AS outputTokens
         FROM watermarks WHERE tenant_id = ? ORDER BY epoch DESC LIMIT ?`,
        tenantId,
        sourcesMax,
      )
      .toArray();
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

  /** Raises the watermark, and adds to its sums. Call inside the transaction that takes the records. */
  raise(source: RecordSource, seq: number, taken: RecordSums = NO_RECORDS): void {
    const known = this.read(source);
    assert(seq > known, `watermark of ${source.nodeId}/${source.epoch} falls: ${known} to ${seq}`);
    const { tenantId, nodeId, epoch } = source;
    this.#sql.exec(
      RAISE_SQL,
      tenantId,
      nodeId,
      epoch,
      seq,
      taken.records,
      taken.entries,
      taken.promptTokens,
      taken.cachedTokens,
      taken.outputTokens,
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
