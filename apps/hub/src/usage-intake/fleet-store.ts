// Owns the region's cells of service on disk: joined as they come, closed when a node has had too many epochs, added
// up by hour, and read back in pages. What goes to D1 and comes from it is checkpoint-fleet.ts's. Invariants: a cell
// never falls; what a cell grows by is in exactly one hour; a tenant's cells and closed sum together lose nothing.
import type {
  FleetCell,
  FleetChange,
  FleetHead,
  FleetPage,
  RemoteService,
  ServiceCounts,
} from "@fairlane/protocol";
import { cellGrowth, joinCells, NO_SERVICE, sumCells } from "@fairlane/vtc";
import { FLEET_PAGE_TENANTS_MAX, NODE_EPOCHS_MAX, REMOTE_ROWS_MAX } from "../limits.ts";
import { cellOf, countsOf, countValues, FLEET_TABLES_SQL, type CellRow } from "./fleet-tables.ts";

/** The node of the row that has a tenant's closed cells. */
export const CLOSED_NODE = "";
const CLOSED_EPOCH = 0;
const HOUR_MS = 3_600_000;

interface Fleet extends Record<string, SqlStorageValue> {
  readonly floor_units: number;
}

export class FleetStore {
  readonly #storage: DurableObjectStorage;
  readonly #sql: SqlStorage;
  #lastSeq: number;

  /** @param nowMs names this storage, should it ever be lost and begun anew */
  constructor(storage: DurableObjectStorage, nowMs: number) {
    this.#storage = storage;
    this.#sql = storage.sql;
    this.#sql.exec(FLEET_TABLES_SQL);
    this.#sql.exec("INSERT OR IGNORE INTO fleet VALUES (1, ?, 0, 0, 0, 0, 0)", nowMs);
    const [row] = this.#sql
      .exec<{ seq: number }>(
        `SELECT max(
           (SELECT coalesce(max(changed_seq), 0) FROM service_cells),
           (SELECT coalesce(max(changed_seq), 0) FROM service_hours),
           (SELECT coalesce(max(changed_seq), 0) FROM remote_service),
           (SELECT max(written_cells_seq, written_hours_seq) FROM fleet)
         ) AS seq`,
      )
      .toArray();
    this.#lastSeq = row?.seq ?? 0;
  }

  /** Takes what a shard saw change, all or nothing. */
  take(change: FleetChange, nowMs: number): void {
    this.#storage.transactionSync(() => {
      for (const cell of change.cells) this.#takeCell(cell, nowMs);
      for (const { tenantId, units } of change.lifts) {
        this.#sql.exec(
          `INSERT INTO service_lifts (tenant_id, units) VALUES (?, ?)
           ON CONFLICT DO UPDATE SET units = max(units, excluded.units)`,
          tenantId,
          units,
        );
      }
      this.raiseFloor(change.floorUnits);
    });
  }

  raiseFloor(units: number): void {
    this.#sql.exec("UPDATE fleet SET floor_units = ? WHERE floor_units < ?", units, units);
  }

  /** The service of the tenant that got most. */
  mostUnits(): number {
    const { units } = this.#sql
      .exec<{ units: number }>(
        `SELECT coalesce(max(units), 0) AS units FROM (
           SELECT sum(service_units) AS units FROM service_cells GROUP BY tenant_id)`,
      )
      .one();
    return units;
  }

  /** What other regions gave, as changed since the caller's last number. */
  remoteSince(seq: number): { remote: readonly RemoteService[]; remoteSeq: number } {
    const rows = this.#sql
      .exec<{ tenant_id: string; region: string; service_units: number; changed_seq: number }>(
        `SELECT tenant_id, region, service_units, changed_seq FROM remote_service
         WHERE changed_seq > ? ORDER BY changed_seq LIMIT ${REMOTE_ROWS_MAX}`,
        seq,
      )
      .toArray();
    const remote = rows.map((row) => ({
      tenantId: row.tenant_id,
      region: row.region,
      serviceUnits: row.service_units,
    }));
    return { remote, remoteSeq: rows.at(-1)?.changed_seq ?? seq };
  }

  /** Takes what D1 says of other regions. */
  takeRemote(sums: readonly RemoteService[]): void {
    this.#storage.transactionSync(() => {
      for (const { tenantId, region, serviceUnits } of sums) {
        this.#sql.exec(
          `INSERT INTO remote_service VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE
           SET service_units = excluded.service_units, changed_seq = excluded.changed_seq
           WHERE excluded.service_units > service_units`,
          tenantId,
          region,
          serviceUnits,
          this.#nextSeq(),
        );
      }
    });
  }

  head(): FleetHead {
    const { floor_units: floorUnits } = this.#sql
      .exec<Fleet>("SELECT floor_units FROM fleet")
      .one();
    const closedNodes = this.#sql
      .exec<{ node_id: string; through_epoch: number }>(
        "SELECT node_id, through_epoch FROM closed_nodes",
      )
      .toArray();
    return {
      floorUnits,
      closedNodes: closedNodes.map((row) => ({
        nodeId: row.node_id,
        throughEpoch: row.through_epoch,
      })),
    };
  }

  page(afterTenantId: string): FleetPage {
    const tenants = this.#sql
      .exec<{ tenant_id: string; units: number | null }>(
        `SELECT tenant_id, units FROM (SELECT DISTINCT tenant_id FROM service_cells WHERE tenant_id > ?
           ORDER BY tenant_id LIMIT ${FLEET_PAGE_TENANTS_MAX}) LEFT JOIN service_lifts USING (tenant_id)`,
        afterTenantId,
      )
      .toArray();
    const last = tenants.at(-1)?.tenant_id ?? afterTenantId;
    const rows = this.#sql
      .exec<CellRow>(
        "SELECT * FROM service_cells WHERE tenant_id > ? AND tenant_id <= ?",
        afterTenantId,
        last,
      )
      .toArray();
    const isClosed = (row: CellRow) => row.node_id === CLOSED_NODE;
    return {
      cells: rows.filter((row) => !isClosed(row)).map(cellOf),
      closed: rows.filter(isClosed).map((row) => ({
        tenantId: row.tenant_id,
        counts: countsOf(row),
      })),
      lifts: tenants.flatMap(({ tenant_id: tenantId, units }) =>
        units === null ? [] : { tenantId, units },
      ),
      nextTenantId: tenants.length < FLEET_PAGE_TENANTS_MAX ? null : last,
    };
  }

  /** Takes over cells that D1 kept of a storage that was lost; they are not new to D1. */
  restore(cells: readonly FleetCell[], nowMs: number): void {
    this.#storage.transactionSync(() => {
      for (const cell of cells) this.#writeCell(cell, { nowMs, seq: 0 });
    });
  }

  /** Forgets hours that are over and written, and tenants without a change for long. */
  prune(before: { readonly hourMs: number; readonly changeMs: number }): void {
    this.#sql.exec(
      `DELETE FROM service_hours WHERE hour_ms < ?
         AND changed_seq <= (SELECT written_hours_seq FROM fleet)`,
      before.hourMs,
    );
    this.#sql.exec(
      `DELETE FROM service_cells WHERE tenant_id IN (
         SELECT tenant_id FROM service_cells GROUP BY tenant_id HAVING max(changed_at_ms) < ?)`,
      before.changeMs,
    );
  }

  #takeCell(cell: FleetCell, nowMs: number): void {
    const { nodeId, epoch, tenantId } = cell;
    if (!this.#isOpen(nodeId, epoch)) return;
    const known = this.#read(tenantId, nodeId, epoch);
    const counts = joinCells(known ?? NO_SERVICE, cell.counts);
    const growth = cellGrowth(known ?? NO_SERVICE, counts);
    if (growth === null && known !== undefined) return;
    this.#writeCell({ ...cell, counts }, { nowMs, seq: this.#nextSeq() });
    if (growth !== null) this.#addToHour(cell, growth, nowMs);
    if (known === undefined) this.#closeOldest(nodeId, nowMs);
  }

  #isOpen(nodeId: string, epoch: number): boolean {
    const [row] = this.#sql
      .exec("SELECT 1 FROM closed_nodes WHERE node_id = ? AND through_epoch >= ?", nodeId, epoch)
      .toArray();
    return row === undefined;
  }

  #read(tenantId: string, nodeId: string, epoch: number): ServiceCounts | undefined {
    const [row] = this.#sql
      .exec<CellRow>(
        "SELECT * FROM service_cells WHERE tenant_id = ? AND node_id = ? AND epoch = ?",
        tenantId,
        nodeId,
        epoch,
      )
      .toArray();
    return row === undefined ? undefined : countsOf(row);
  }

  #writeCell(cell: FleetCell, at: { readonly nowMs: number; readonly seq: number }): void {
    const { tenantId, nodeId, epoch, weight, counts } = cell;
    this.#sql.exec(
      "INSERT OR REPLACE INTO service_cells VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      ...[tenantId, nodeId, epoch, weight, at.nowMs],
      ...[...countValues(counts), at.seq],
    );
  }

  #addToHour(cell: FleetCell, growth: ServiceCounts, nowMs: number): void {
    const hourMs = nowMs - (nowMs % HOUR_MS);
    this.#sql.exec(
      `INSERT INTO service_hours VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET weight = excluded.weight, changed_seq = excluded.changed_seq,
         input_tokens = input_tokens + excluded.input_tokens,
         cached_tokens = cached_tokens + excluded.cached_tokens,
         output_tokens = output_tokens + excluded.output_tokens,
         service_units = service_units + excluded.service_units,
         queue_ms = queue_ms + excluded.queue_ms, requests = requests + excluded.requests`,
      ...[cell.tenantId, hourMs, cell.weight],
      ...[...countValues(growth), this.#nextSeq()],
    );
  }

  /** Closes the oldest epoch of a node that has one too many: its cells go into the tenants' closed sums. */
  #closeOldest(nodeId: string, nowMs: number): void {
    const epochs = this.#sql
      .exec<{ epoch: number }>(
        "SELECT DISTINCT epoch FROM service_cells WHERE node_id = ? ORDER BY epoch DESC LIMIT ?",
        nodeId,
        NODE_EPOCHS_MAX + 1,
      )
      .toArray();
    const throughEpoch = epochs.at(NODE_EPOCHS_MAX)?.epoch;
    if (throughEpoch === undefined) return;
    const rows = this.#sql
      .exec<CellRow>(
        "SELECT * FROM service_cells WHERE node_id = ? AND epoch <= ?",
        nodeId,
        throughEpoch,
      )
      .toArray();
    for (const cell of rows.map(cellOf)) {
      const closed = this.#read(cell.tenantId, CLOSED_NODE, CLOSED_EPOCH) ?? NO_SERVICE;
      const sum = { ...cell, nodeId: CLOSED_NODE, epoch: CLOSED_EPOCH };
      const counts = sumCells(closed, cell.counts);
      this.#writeCell({ ...sum, counts }, { nowMs, seq: this.#nextSeq() });
    }
    this.#sql.exec(
      "DELETE FROM service_cells WHERE node_id = ? AND epoch <= ?",
      nodeId,
      throughEpoch,
    );
    this.#sql.exec("INSERT OR REPLACE INTO closed_nodes VALUES (?, ?, 0)", nodeId, throughEpoch);
  }

  #nextSeq(): number {
    this.#lastSeq += 1;
    return this.#lastSeq;
  }
}
