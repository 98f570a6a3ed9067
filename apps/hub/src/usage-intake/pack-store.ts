// Owns the durable records that wait for their account: packs of consecutive records of one (tenant, node, epoch),
// and the watermarks of what was ever taken. Invariant: a record is in at most one pack, packs of a source are in
// order and without a gap between them but for what was acknowledged before, and a pack leaves only once its account has
// settled it.
import { assert } from "@fairlane/base";
import type {
  CommitBatch,
  IntakeState,
  SettleBatch,
  SettleRecord,
  UsageRecord,
} from "@fairlane/protocol";
import {
  INTAKE_PACKS_MAX,
  PACKS_PER_BATCH_MAX,
  SETTLE_RECORDS_MAX,
  SOURCES_CHECKED_MAX,
} from "../limits.ts";
import { logEvent } from "../log.ts";
import { EPOCH_CLOSED, Watermarks, type RecordSource, type RecordSums } from "../watermarks.ts";

const TABLE_SQL = `
CREATE TABLE IF NOT EXISTS packs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant_id TEXT NOT NULL,
  node_id TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  last_seq INTEGER NOT NULL,
  record_count INTEGER NOT NULL,
  records TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS packs_by_tenant ON packs (tenant_id, id);
`;

interface PackRow extends Record<string, SqlStorageValue> {
  readonly node_id: string;
  readonly epoch: number;
  readonly last_seq: number;
  readonly record_count: number;
  readonly records: string;
}

export class PackStore {
  readonly #storage: DurableObjectStorage;
  readonly #watermarks: Watermarks;
  #packCount: number;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    storage.sql.exec(TABLE_SQL);
    this.#watermarks = new Watermarks(storage.sql);
    const counted = storage.sql
      .exec<{ packs: number }>("SELECT count(*) AS packs FROM packs")
      .one();
    this.#packCount = counted.packs;
  }

  /** Tenants that have records waiting. */
  tenants(): readonly string[] {
    const rows = this.#storage.sql.exec<{ tenant_id: string }>(
      "SELECT DISTINCT tenant_id FROM packs",
    );
    return rows.toArray().map((row) => row.tenant_id);
  }

  /**
   * Takes what continues each tenant's sequence: a record at or below the watermark is ignored, a gap ends the
   * tenant's run. What the node says was acknowledged to it counts as taken: this object has lost it, or another one
   * took it. Takes nothing while the store is full.
   * @returns the watermarks of the batch's tenants, of those that have one
   */
  commit(batch: CommitBatch): readonly { readonly tenant_id: string; readonly seq: number }[] {
    const { nodeId, epoch } = batch;
    const groups = byTenant(batch.records);
    const isFull = this.#packCount + groups.size > INTAKE_PACKS_MAX;
    if (isFull) logEvent("error", "intake_full", { nodeId, packs: this.#packCount });
    let insertedPacks = 0;
    const watermarks = this.#storage.transactionSync(() =>
      [...groups].flatMap(([tenantId, records]) => {
        const source = { tenantId, nodeId, epoch };
        const known = this.#watermarks.read(source);
        // Of a closed epoch everything counts as taken, so that its node stops sending it.
        if (known === EPOCH_CLOSED) return { tenant_id: tenantId, seq: records.at(-1)?.seq ?? 0 };
        const afterSeq = Math.max(known, ackedSeq(batch, tenantId));
        if (afterSeq > known) logEvent("error", "usage_state_lost", { ...source, known, afterSeq });
        const run = isFull ? [] : continuing(records, afterSeq);
        const last = run.at(-1);
        if (!last) return known === 0 ? [] : { tenant_id: tenantId, seq: known };
        this.#watermarks.raise(source, last.seq, sumsOf(run));
        this.#insert(source, run, last.seq);
        insertedPacks += 1;
        return { tenant_id: tenantId, seq: last.seq };
      }),
    );
    this.#packCount += insertedPacks;
    return watermarks;
  }

  /** Adds records of this object's own making to the tenant's sequence; call inside a transaction. */
  append(source: RecordSource, records: readonly Omit<SettleRecord, "seq">[]): void {
    const known = this.#watermarks.read(source);
    const numbered = records.map((record, index) => ({ ...record, seq: known + index + 1 }));
    this.#watermarks.raise(source, known + records.length);
    this.#insert(source, numbered, known + records.length);
    this.#packCount += 1;
  }

  /** What was taken of a tenant's usage, and how many packs of it wait. */
  stateOf(tenantId: string): IntakeState {
    const { waitingPacks } = this.#storage.sql
      .exec<{ waitingPacks: number }>(
        "SELECT count(*) AS waitingPacks FROM packs WHERE tenant_id = ?",
        tenantId,
      )
      .one();
    return { sources: this.#watermarks.sourcesOf(tenantId, SOURCES_CHECKED_MAX), waitingPacks };
  }

  /** The oldest waiting records of a tenant that belong to one source. */
  next(tenantId: string): SettleBatch | undefined {
    const rows = this.#storage.sql
      .exec<PackRow>(
        `SELECT node_id, epoch, last_seq, record_count, records FROM packs
         WHERE tenant_id = ? ORDER BY id LIMIT ${PACKS_PER_BATCH_MAX}`,
        tenantId,
      )
      .toArray();
    const [first] = rows;
    if (!first) return undefined;
    const { node_id: nodeId, epoch } = first;
    const records: SettleRecord[] = [];
    const afterSeq = first.last_seq - first.record_count;
    let lastSeq = afterSeq;
    for (const row of rows) {
      const isOther = row.node_id !== nodeId || row.epoch !== epoch;
      const isFull = records.length > 0 && records.length + row.record_count > SETTLE_RECORDS_MAX;
      const continues = row.last_seq - row.record_count === lastSeq;
      if (isOther || isFull || !continues) break;
      lastSeq = row.last_seq;
      // Written by #insert below.
      records.push(...(JSON.parse(row.records) as SettleRecord[]));
    }
    return { nodeId, epoch, afterSeq, records };
  }

  /** Waiting records of a tenant whose requests ended before this time. */
  waitingBefore(tenantId: string, endedBeforeMs: number): number {
    return this.#storage.sql
      .exec<{ n: number }>(
        `SELECT count(*) AS n FROM packs, json_each(packs.records)
         WHERE tenant_id = ? AND json_extract(value, '$.ended_at_ms') < ?`,
        tenantId,
        endedBeforeMs,
      )
      .one().n;
  }

  /** Drops what the account has settled: packs of the source up to its watermark. Returns how many. */
  drop(source: RecordSource, watermark: number): number {
    const dropped = this.#storage.sql
      .exec(
        `DELETE FROM packs WHERE tenant_id = ? AND node_id = ? AND epoch = ? AND last_seq <= ?
         RETURNING id`,
        source.tenantId,
        source.nodeId,
        source.epoch,
        watermark,
      )
      .toArray().length;
    this.#packCount -= dropped;
    assert(this.#packCount >= 0, `${-this.#packCount} more packs dropped than held`);
    return dropped;
  }

  #insert(source: RecordSource, records: readonly SettleRecord[], lastSeq: number): void {
    this.#storage.sql.exec(
      `INSERT INTO packs (tenant_id, node_id, epoch, last_seq, record_count, records)
       VALUES (?, ?, ?, ?, ?, ?)`,
      source.tenantId,
      source.nodeId,
      source.epoch,
      lastSeq,
      records.length,
      JSON.stringify(records),
    );
  }
}

/** Up to where the node's records of the tenant were acknowledged, as it says; 0 for not at all. */
function ackedSeq({ acked = [] }: CommitBatch, tenantId: string): number {
  return acked.reduce((max, one) => (one.tenant_id === tenantId ? Math.max(max, one.seq) : max), 0);
}

function sumsOf(records: readonly UsageRecord[]): RecordSums {
  const sum = (countOf: (record: UsageRecord) => number): number =>
    records.reduce((total, record) => total + (record.final ? countOf(record) : 0), 0);
  return {
    records: records.length,
    entries: sum(() => 1),
    promptTokens: sum((record) => record.computed_prompt_tokens),
    cachedTokens: sum((record) => record.cached_tokens),
    outputTokens: sum((record) => record.output_tokens),
  };
}

/** Records by tenant, ascending. */
function byTenant(records: readonly UsageRecord[]): Map<string, UsageRecord[]> {
  const groups = new Map<string, UsageRecord[]>();
  for (const record of records) {
    const group = groups.get(record.tenant_id);
    if (group) group.push(record);
    else groups.set(record.tenant_id, [record]);
  }
  for (const group of groups.values()) group.sort((left, right) => left.seq - right.seq);
  return groups;
}

/** The records that continue a sequence after `known`, up to the first gap. */
function continuing(records: readonly UsageRecord[], known: number): UsageRecord[] {
  const run: UsageRecord[] = [];
  let last = known;
  for (const record of records) {
    if (record.seq <= last) continue;
    if (record.seq !== last + 1) break;
    run.push(record);
    last = record.seq;
  }
  assert(run.length === 0 || run[0]?.seq === known + 1, "a run starts after the watermark");
  return run;
}
