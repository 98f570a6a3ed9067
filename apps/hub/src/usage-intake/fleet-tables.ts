// Owns the tables of what UsageIntake keeps of the fleet's service, and how a row and its counts are told apart from
// each other. Statements are fleet-store.ts's.
import type { FleetCell, ServiceCounts } from "@fairlane/protocol";

const COUNTS_SQL = `
  input_tokens INTEGER NOT NULL,
  cached_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  service_units INTEGER NOT NULL,
  queue_ms INTEGER NOT NULL,
  requests INTEGER NOT NULL,
  changed_seq INTEGER NOT NULL`;

export const FLEET_TABLES_SQL = `
-- Cumulative by (tenant, node, epoch); node '' and epoch 0 has the sum of the tenant's closed cells.
CREATE TABLE IF NOT EXISTS service_cells (
  tenant_id TEXT NOT NULL,
  node_id TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  weight INTEGER NOT NULL,
  changed_at_ms INTEGER NOT NULL,
  ${COUNTS_SQL},
  PRIMARY KEY (tenant_id, node_id, epoch)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS service_cells_by_change ON service_cells (changed_seq);
CREATE INDEX IF NOT EXISTS service_cells_by_node ON service_cells (node_id, epoch);
-- Cumulative within the hour.
CREATE TABLE IF NOT EXISTS service_hours (
  tenant_id TEXT NOT NULL,
  hour_ms INTEGER NOT NULL,
  weight INTEGER NOT NULL,
  ${COUNTS_SQL},
  PRIMARY KEY (tenant_id, hour_ms)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS service_hours_by_change ON service_hours (changed_seq);
CREATE TABLE IF NOT EXISTS service_lifts (
  tenant_id TEXT PRIMARY KEY,
  units INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS closed_nodes (
  node_id TEXT PRIMARY KEY,
  through_epoch INTEGER NOT NULL,
  is_written INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS remote_service (
  tenant_id TEXT NOT NULL,
  region TEXT NOT NULL,
  service_units INTEGER NOT NULL,
  changed_seq INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, region)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS remote_service_by_change ON remote_service (changed_seq);
CREATE TABLE IF NOT EXISTS fleet (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  epoch INTEGER NOT NULL,
  floor_units INTEGER NOT NULL,
  is_restored INTEGER NOT NULL,
  written_cells_seq INTEGER NOT NULL,
  written_hours_seq INTEGER NOT NULL,
  remote_since_ms INTEGER NOT NULL
) STRICT;
`;

/** A row's counts by their columns. */
export interface CountColumns extends Record<string, SqlStorageValue> {
  readonly input_tokens: number;
  readonly cached_tokens: number;
  readonly output_tokens: number;
  readonly service_units: number;
  readonly queue_ms: number;
  readonly requests: number;
  readonly changed_seq: number;
}

export interface CellRow extends CountColumns {
  readonly tenant_id: string;
  readonly node_id: string;
  readonly epoch: number;
  readonly weight: number;
}

/** The counts of a row. */
export function countsOf(row: CountColumns): ServiceCounts {
  return {
    inputTokens: row.input_tokens,
    cachedTokens: row.cached_tokens,
    outputTokens: row.output_tokens,
    serviceUnits: row.service_units,
    queueMs: row.queue_ms,
    requests: row.requests,
  };
}

/** The counts in the order of the tables' columns. */
export function countValues(counts: ServiceCounts): readonly number[] {
  const { inputTokens, cachedTokens, outputTokens, serviceUnits, queueMs, requests } = counts;
  return [inputTokens, cachedTokens, outputTokens, serviceUnits, queueMs, requests];
}

/** A row as a cell. */
export function cellOf(row: CellRow): FleetCell {
  const { tenant_id: tenantId, node_id: nodeId, epoch, weight } = row;
  return { tenantId, nodeId, epoch, weight, counts: countsOf(row) };
}
