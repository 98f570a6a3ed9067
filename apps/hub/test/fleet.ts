// A node's reports of service, and what is kept of them, for tests.
import type { CellReport } from "@fairlane/protocol";
import { env } from "cloudflare:workers";
import type { TestNode } from "./test-node.ts";

type Cell = CellReport["cells"][number];

/** One tenant's cell: `units` of service, its other counts made from them. */
export function cellOf(tenantId: string, units: number, change: Partial<Cell> = {}): Cell {
  return {
    tenant_id: tenantId,
    weight: 2,
    live: true,
    input_tokens: units,
    cached_tokens: 0,
    output_tokens: 1,
    service_units: units,
    queue_ms: 30,
    requests: 1,
    ...change,
  };
}

/** Sends a heartbeat with these cells. */
export function report(node: TestNode, epoch: number, cells: Cell[]): void {
  const load = { running: 0, waiting: 0, pages_free: 1, pages_total: 1 };
  const service = { epoch, cells };
  node.send({ type: "heartbeat", sent_at_ms: 0, load, draining: false, service });
}

/** What the next service frame that names the tenant says of it. */
export async function heardOf(node: TestNode, tenantId: string) {
  for (;;) {
    const { full, floor_units: floorUnits, tenants } = await node.next("service");
    const one = tenants.find((tenant) => tenant.tenant_id === tenantId);
    if (one === undefined) continue;
    const { foreign_units: foreignUnits, counter_units: counterUnits } = one;
    return { full, floorUnits, foreignUnits, counterUnits };
  }
}

/** The rows of a table of D1 that belong to a tenant. */
export async function rowsOf(table: "service_counters" | "service_hourly", tenantId: string) {
  const { results } = await env.LEDGER_DB.prepare(
    `SELECT * FROM ${table} WHERE tenant_id = ? ORDER BY epoch`,
  )
    .bind(tenantId)
    .all();
  return results;
}
