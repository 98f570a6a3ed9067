// Owns what is known of the service of all nodes: a grow-only counter with one cell for each (tenant, node, epoch).
// Copies may come twice, late, in any order or not at all; what was lost comes with the next copy. Invariants: a cell
// never falls; a tenant's total is the sum of its cells, closed ones included; a closed epoch takes nothing more.
import { NO_SERVICE, cellGrowth, joinCells, sumCells, type ServiceCell } from "./cell.ts";

/** Whose cell: the tenant served, the node that served it, and the epoch in which it did. */
export interface CellSource {
  readonly tenantId: string;
  readonly nodeId: string;
  readonly epoch: number;
}

export interface MergedCellsLimits {
  /** Tenants known at once; the service of further ones is not merged. */
  readonly tenantsMax: number;
  /** Open epochs of a node; the oldest is closed when there would be more. */
  readonly nodeEpochsMax: number;
}

interface TenantCells {
  total: ServiceCell;
  /** By node, then epoch. */
  readonly open: Map<string, Map<number, ServiceCell>>;
}

interface NodeEpochs {
  /** Ascending. */
  open: number[];
  closedThrough: number;
}

export class MergedCells {
  readonly #limits: MergedCellsLimits;
  readonly #tenants = new Map<string, TenantCells>();
  readonly #nodes = new Map<string, NodeEpochs>();

  constructor(limits: MergedCellsLimits) {
    this.#limits = limits;
  }

  get tenantIds(): readonly string[] {
    return [...this.#tenants.keys()];
  }

  /** False for a tenant that never had a cell, or for whom there was no room. */
  has(tenantId: string): boolean {
    return this.#tenants.has(tenantId);
  }

  /** The last closed epoch of a node; 0 before any was closed. */
  closedThrough(nodeId: string): number {
    return this.#nodes.get(nodeId)?.closedThrough ?? 0;
  }

  /** Joins a copy of a cell; returns what it brought, or null: nothing new, of a closed epoch, or no room. */
  merge(source: CellSource, copy: ServiceCell): ServiceCell | null {
    const { tenantId, nodeId, epoch } = source;
    if (!this.#openEpoch(nodeId, epoch)) return null;
    const tenant = this.#tenantCells(tenantId);
    if (tenant === null) return null;
    let epochs = tenant.open.get(nodeId);
    if (epochs === undefined) tenant.open.set(nodeId, (epochs = new Map<number, ServiceCell>()));
    const known = epochs.get(epoch) ?? NO_SERVICE;
    const joined = joinCells(known, copy);
    epochs.set(epoch, joined);
    const growth = cellGrowth(known, joined);
    if (growth !== null) tenant.total = sumCells(tenant.total, growth);
    return growth;
  }

  /** Takes over, into empty cells, the sum of a tenant's closed cells and through which epochs nodes are closed. */
  restoreClosed(closed: {
    readonly tenants: readonly { readonly tenantId: string; readonly cell: ServiceCell }[];
    readonly nodes: readonly { readonly nodeId: string; readonly throughEpoch: number }[];
  }): void {
    for (const { nodeId, throughEpoch } of closed.nodes) this.#close(nodeId, throughEpoch);
    for (const { tenantId, cell } of closed.tenants) {
      const tenant = this.#tenantCells(tenantId);
      if (tenant !== null) tenant.total = sumCells(tenant.total, cell);
    }
  }

  /** What all nodes gave a tenant. */
  total(tenantId: string): ServiceCell {
    return this.#tenants.get(tenantId)?.total ?? NO_SERVICE;
  }

  /** Service units that a tenant got from everyone but this node since it began this epoch. */
  foreignUnits(source: CellSource): number {
    const tenant = this.#tenants.get(source.tenantId);
    if (tenant === undefined) return 0;
    let units = tenant.total.serviceUnits;
    for (const [epoch, cell] of tenant.open.get(source.nodeId) ?? []) {
      if (epoch >= source.epoch) units -= cell.serviceUnits;
    }
    return units;
  }

  #tenantCells(tenantId: string): TenantCells | null {
    const known = this.#tenants.get(tenantId);
    if (known !== undefined) return known;
    if (this.#tenants.size >= this.#limits.tenantsMax) return null;
    const tenant = { total: NO_SERVICE, open: new Map<string, Map<number, ServiceCell>>() };
    this.#tenants.set(tenantId, tenant);
    return tenant;
  }

  /** True when the epoch is or becomes open. */
  #openEpoch(nodeId: string, epoch: number): boolean {
    const node = this.#nodes.get(nodeId) ?? { open: [], closedThrough: 0 };
    if (epoch <= node.closedThrough) return false;
    if (node.open.includes(epoch)) return true;
    this.#nodes.set(nodeId, node);
    node.open = [...node.open, epoch].sort((left, right) => left - right);
    const oldest = node.open[0] ?? epoch;
    if (node.open.length > this.#limits.nodeEpochsMax) this.#close(nodeId, oldest);
    return epoch > node.closedThrough;
  }

  // Totals keep what closed cells said.
  #close(nodeId: string, throughEpoch: number): void {
    const node = this.#nodes.get(nodeId) ?? { open: [], closedThrough: 0 };
    this.#nodes.set(nodeId, node);
    node.closedThrough = Math.max(node.closedThrough, throughEpoch);
    node.open = node.open.filter((epoch) => epoch > node.closedThrough);
    for (const { open } of this.#tenants.values()) {
      const epochs = open.get(nodeId);
      for (const epoch of epochs?.keys() ?? []) {
        if (epoch <= node.closedThrough) epochs?.delete(epoch);
      }
      if (epochs?.size === 0) open.delete(nodeId);
    }
  }
}
