// Owns fairness over the region's nodes, in shard 0: cells of service come in with heartbeats, the sums of the others
// go back to each node every second. Writes no storage: keep-fleet.ts hands what changed to UsageIntake. Invariant:
// no node is told anything, and no tenant is lifted, before what an earlier hub knew has been loaded.
import {
  protocolLimits,
  type CellReport,
  type FleetCell,
  type FleetStanding,
  type RemoteService,
  type ServiceFrame,
} from "@fairlane/protocol";
import { FleetCounters, MergedCells, NO_SERVICE } from "@fairlane/vtc";
import { NODE_EPOCHS_MAX, SERVICE_PERIOD_MS, SERVICE_TENANTS_KEPT_MAX } from "../limits.ts";
import { logEvent, reasonOf } from "../log.ts";
import { FleetKeep, type FleetIntake, type KeptFleet } from "./keep-fleet.ts";
import type { NodeLink } from "./node-link.ts";

interface NodeState {
  readonly link: NodeLink;
  /** Of the node's boot. */
  readonly epoch: number;
  /** Tenants with requests there. */
  readonly live: Set<string>;
  /** Tenants whose sums changed since the node was told. */
  readonly changed: Set<string>;
  hasAll: boolean;
}

/** Another region counts as one node with one epoch; no node's name has a slash. */
const REMOTE_EPOCH = 1;
const remoteName = (region: string): string => `region/${region}`;

export class FleetMerge {
  readonly #keep: FleetKeep;
  readonly #cells = new MergedCells({
    tenantsMax: SERVICE_TENANTS_KEPT_MAX,
    nodeEpochsMax: NODE_EPOCHS_MAX,
  });
  readonly #counters = new FleetCounters((id) => this.#cells.total(id).serviceUnits);
  /** Of tenants that have cells. */
  readonly #weights = new Map<string, number>();
  readonly #nodes = new Map<string, NodeState>();
  #state: "empty" | "ready" = "empty";
  #loading: Promise<void> | undefined;
  #lastPeriodMs = 0;

  constructor(intake: () => FleetIntake) {
    this.#keep = new FleetKeep(intake);
  }

  /** A node was welcomed: its cells will come, and it is told all sums. */
  linked(link: NodeLink, epoch: number): void {
    this.#forget(link.nodeId);
    const state = { link, epoch, live: new Set<string>(), changed: new Set<string>() };
    this.#nodes.set(link.nodeId, { ...state, hasAll: false });
  }

  lost(link: NodeLink): void {
    if (this.#nodes.get(link.nodeId)?.link === link) this.#forget(link.nodeId);
  }

  /** Takes the cells of a heartbeat; returns why the link must end, if it must. */
  reported(link: NodeLink, report: CellReport): string | undefined {
    const node = this.#nodes.get(link.nodeId);
    if (node?.link !== link) return undefined;
    const { epoch } = report;
    if (epoch < node.epoch) return `cells of epoch ${epoch}, the link is of ${node.epoch}`;
    for (const cell of report.cells) {
      const { tenant_id: tenantId, weight } = cell;
      const fleetCell = { tenantId, nodeId: link.nodeId, epoch, weight, counts: countsOf(cell) };
      this.#merge(fleetCell, node);
      this.#noteLive(node, tenantId, cell.live);
    }
    return undefined;
  }

  /** Called often; does its work once a period. */
  tick(nowMs: number): void {
    if (this.#nodes.size === 0 || nowMs - this.#lastPeriodMs < SERVICE_PERIOD_MS) return;
    this.#lastPeriodMs = nowMs;
    void this.#loaded();
    if (this.#state !== "ready") return;
    const floorUnits = this.#counters.floor();
    for (const node of this.#nodes.values()) this.#tell(node, floorUnits);
    void this.#sync(floorUnits);
  }

  /** Where tenants stand: the named one, or all; null while what is kept cannot be loaded. */
  async standing(region: string, tenantId?: string): Promise<FleetStanding | null> {
    await this.#loaded();
    if (this.#state !== "ready") return null;
    const ids = tenantId === undefined ? this.#cells.tenantIds : [tenantId];
    return {
      region,
      floorUnits: this.#counters.floor(),
      activeTenants: this.#counters.activeIds.length,
      positions: ids.map((id) => ({
        tenantId: id,
        counterUnits: this.#counters.counterOf(id),
        serviceUnits: this.#cells.total(id).serviceUnits,
        weight: this.#weights.get(id) ?? null,
        isActive: this.#counters.isActive(id),
      })),
    };
  }

  #merge(cell: FleetCell, by: NodeState): void {
    const growth = this.#cells.merge(cell, cell.counts);
    if (!this.#cells.has(cell.tenantId)) return;
    this.#weights.set(cell.tenantId, cell.weight);
    if (growth === null) return;
    this.#keep.noteCell(cell);
    this.#noteChanged(cell.tenantId, by);
  }

  #noteLive(node: NodeState, tenantId: string, isLive: boolean): void {
    if (!isLive) node.live.delete(tenantId);
    else if (this.#cells.has(tenantId)) node.live.add(tenantId);
    if (this.#state === "ready") this.#setLive(node, tenantId);
  }

  #setLive(node: NodeState, tenantId: string): void {
    const before = this.#counters.liftOf(tenantId);
    this.#counters.setLive(tenantId, node.link.nodeId, node.live.has(tenantId));
    if (this.#counters.liftOf(tenantId) > before) this.#keep.noteLift(tenantId);
  }

  /** The sums of all nodes but the one that served have changed. */
  #noteChanged(tenantId: string, by?: NodeState): void {
    for (const node of this.#nodes.values()) if (node !== by) node.changed.add(tenantId);
  }

  #forget(nodeId: string): void {
    this.#nodes.delete(nodeId);
    this.#counters.nodeLost(nodeId);
  }

  #tell(node: NodeState, floorUnits: number): void {
    const full = !node.hasAll;
    const tenantIds = full ? this.#cells.tenantIds : [...node.changed];
    node.hasAll = true;
    node.changed.clear();
    const size = protocolLimits.SERVICE_TENANTS_MAX;
    for (let from = 0; from === 0 || from < tenantIds.length; from += size) {
      const tenants = tenantIds.slice(from, from + size).map((id) => this.#sumFor(node, id));
      node.link.send({ type: "service", full, floor_units: floorUnits, tenants });
    }
  }

  #sumFor({ link, epoch }: NodeState, tenantId: string): ServiceFrame["tenants"][number] {
    return {
      tenant_id: tenantId,
      foreign_units: this.#cells.foreignUnits({ tenantId, nodeId: link.nodeId, epoch }),
      counter_units: this.#counters.counterOf(tenantId),
    };
  }

  /** Loads what is kept, unless that has been done; a call that fails leaves it to the next one. */
  async #loaded(): Promise<void> {
    if (this.#state === "ready") return;
    this.#loading ??= this.#load().finally(() => (this.#loading = undefined));
    return this.#loading;
  }

  async #load(): Promise<void> {
    try {
      this.#restore(await this.#keep.load());
      this.#state = "ready";
      for (const node of this.#nodes.values()) {
        for (const tenantId of node.live) this.#setLive(node, tenantId);
      }
    } catch (error) {
      logEvent("warn", "fleet_load_failed", { reason: reasonOf(error) });
    }
  }

  #restore({ floorUnits, closedNodes, pages }: KeptFleet): void {
    const closed = pages.flatMap((page) => page.closed);
    this.#cells.restoreClosed({
      tenants: closed.map(({ tenantId, counts }) => ({ tenantId, cell: counts })),
      nodes: closedNodes,
    });
    for (const { cells, lifts } of pages) {
      this.#counters.restore({ floorUnits, lifts });
      for (const cell of cells) {
        this.#cells.merge(cell, cell.counts);
        if (!this.#weights.has(cell.tenantId)) this.#weights.set(cell.tenantId, cell.weight);
      }
    }
  }

  async #sync(floorUnits: number): Promise<void> {
    const remote = await this.#keep.sync(floorUnits, (id) => this.#counters.liftOf(id));
    for (const one of remote) this.#mergeRemote(one);
  }

  #mergeRemote({ tenantId, region, serviceUnits }: RemoteService): void {
    const source = { tenantId, nodeId: remoteName(region), epoch: REMOTE_EPOCH };
    const growth = this.#cells.merge(source, { ...NO_SERVICE, serviceUnits });
    if (growth !== null) this.#noteChanged(tenantId);
  }
}

function countsOf(cell: CellReport["cells"][number]): FleetCell["counts"] {
  return {
    inputTokens: cell.input_tokens,
    cachedTokens: cell.cached_tokens,
    outputTokens: cell.output_tokens,
    serviceUnits: cell.service_units,
    queueMs: cell.queue_ms,
    requests: cell.requests,
  };
}
