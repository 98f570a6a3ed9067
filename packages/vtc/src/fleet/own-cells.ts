// Owns the cells of one node: what it gave each tenant since its epoch began, and which of that the hub has not been
// told yet. Invariants: within an epoch no cell falls and none is forgotten; when the cells pass a bound, a new epoch
// begins with empty ones once everything of the old one has been told, or, without a hub, at twice the bound.
import { isWeight, VirtualCounter } from "../counter.ts";
import { NO_SERVICE, sumCells, type ServiceCell } from "./cell.ts";

/** What a node tells of one tenant. */
export interface OwnCell extends ServiceCell {
  readonly tenantId: string;
  readonly weight: number;
  /** The tenant has requests here, waiting or running. */
  readonly isLive: boolean;
}

/** Tokens that one step computed for a tenant, and their cost in service units before the weight. */
export interface Served {
  readonly inputTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
  readonly costUnits: number;
}

export interface OwnCellsOptions {
  /** Of this boot of the node: above those of all boots before. */
  readonly epoch: number;
  /** Tenants with a cell in one epoch. */
  readonly tenantsMax: number;
  /** An epoch ends when a cell has this many service units: sums over epochs and nodes stay below 2^53. */
  readonly cellUnitsMax: number;
}

interface TenantService {
  readonly counter: VirtualCounter;
  /** All but serviceUnits, which the counter has. */
  counts: ServiceCell;
  isLive: boolean;
}

export class OwnCells {
  readonly #options: OwnCellsOptions;
  #epoch: number;
  #isOver = false;
  readonly #tenants = new Map<string, TenantService>();
  /** Tenants that the hub is to hear of, those that changed first first. */
  readonly #untold = new Set<string>();

  constructor(options: OwnCellsOptions) {
    this.#options = options;
    this.#epoch = options.epoch;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** Adds what a step computed for a tenant at its weight. */
  served(tenantId: string, weight: number, served: Served): void {
    const tenant = this.#tenantOf(tenantId);
    // What the edge may set is bounded there; a wrong one must not stop the node.
    if (isWeight(weight)) tenant.counter.setWeight(weight);
    tenant.counter.charge(served.costUnits);
    const { inputTokens, cachedTokens, outputTokens } = served;
    tenant.counts = sumCells(tenant.counts, {
      ...NO_SERVICE,
      inputTokens,
      cachedTokens,
      outputTokens,
    });
    this.#changed(tenantId, tenant);
  }

  /** Counts a request that was scheduled for the first time after it waited so long. */
  scheduled(tenantId: string, queueMs: number): void {
    const tenant = this.#tenantOf(tenantId);
    tenant.counts = sumCells(tenant.counts, { ...NO_SERVICE, queueMs, requests: 1 });
    this.#changed(tenantId, tenant);
  }

  /** Notes whether the tenant has requests here. */
  setLive(tenantId: string, isLive: boolean): void {
    const tenant = this.#tenantOf(tenantId);
    if (tenant.isLive === isLive) return;
    tenant.isLive = isLive;
    this.#changed(tenantId, tenant);
  }

  /** The hub knows nothing of this epoch any more, or never did: all cells are told again. */
  tellAll(): void {
    for (const tenantId of this.#tenants.keys()) this.#untold.add(tenantId);
  }

  /** Up to `cellsMax` cells that the hub has not been told; they count as told. */
  takeUntold(cellsMax: number): { readonly epoch: number; readonly cells: readonly OwnCell[] } {
    const epoch = this.#epoch;
    const cells: OwnCell[] = [];
    for (const tenantId of this.#untold) {
      if (cells.length >= cellsMax) break;
      this.#untold.delete(tenantId);
      const tenant = this.#tenants.get(tenantId);
      if (tenant !== undefined) cells.push(cellOf(tenantId, tenant));
    }
    if (this.#isOver && this.#untold.size === 0) this.#beginEpoch();
    return { epoch, cells };
  }

  #tenantOf(tenantId: string): TenantService {
    const known = this.#tenants.get(tenantId);
    if (known !== undefined) return known;
    const { tenantsMax } = this.#options;
    // Nobody has been told for long.
    if (this.#tenants.size >= 2 * tenantsMax) this.#beginEpoch();
    const tenant = { counter: new VirtualCounter(), counts: NO_SERVICE, isLive: false };
    this.#tenants.set(tenantId, tenant);
    if (this.#tenants.size >= tenantsMax) this.#isOver = true;
    return tenant;
  }

  #changed(tenantId: string, tenant: TenantService): void {
    this.#untold.add(tenantId);
    if (tenant.counter.key >= this.#options.cellUnitsMax) this.#isOver = true;
  }

  #beginEpoch(): void {
    this.#epoch += 1;
    this.#isOver = false;
    const live = [...this.#tenants].filter(([, { isLive }]) => isLive);
    this.#tenants.clear();
    this.#untold.clear();
    for (const [tenantId, { counter: before }] of live) {
      const counter = new VirtualCounter();
      counter.setWeight(before.weight);
      this.#tenants.set(tenantId, { counter, counts: NO_SERVICE, isLive: true });
    }
  }
}

function cellOf(tenantId: string, { counter, counts, isLive }: TenantService): OwnCell {
  const { key, weight } = counter;
  return { ...counts, serviceUnits: key, tenantId, weight, isLive };
}
