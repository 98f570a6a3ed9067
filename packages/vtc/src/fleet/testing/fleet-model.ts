// Owns a model of a fleet for tests: nodes with fair queues in virtual time, and a hub that merges their cells every
// period, over links that repeat, delay and lose what they carry. The parts are the product's; only time, engines and
// links are modelled.
import { FairQueue } from "../../fair-queue.ts";
import { TraceServer, type Sent } from "../../testing/trace-server.ts";
import { FleetCounters } from "../fleet-counters.ts";
import { ForeignSums, type ForeignNews } from "../foreign-sums.ts";
import { MergedCells } from "../merged-cells.ts";
import { OwnCells, type OwnCell } from "../own-cells.ts";

export interface FleetOptions {
  readonly nodeCount: number;
  readonly poolTokens: number;
  /** Steps between two exchanges with the hub; null: nodes never hear of each other. */
  readonly periodStepCount: number | null;
  readonly catchUpUnitsMax?: number;
  /** Gives the requests that keep a tenant busy at a node; undefined: it sends nothing there now. */
  readonly workload: (tenantId: string, node: number, step: number) => Sent | undefined;
  readonly tenantIds: readonly string[];
}

/** How a link treats the reports and news of one exchange. */
export interface Delivery {
  readonly isCut?: boolean;
  /** Reports and news arrive twice, and those of the exchange before once more after them. */
  readonly repeats?: boolean;
}

interface Report {
  readonly epoch: number;
  readonly cells: readonly OwnCell[];
}

/** Requests waiting at a node where a tenant is busy: more than can join in one step, or it would not be backlogged. */
const BACKLOG = 24;

export class ModelNode {
  readonly name: string;
  readonly queue = new FairQueue<string>();
  readonly server: TraceServer;
  readonly cells: OwnCells;
  readonly foreign: ForeignSums;
  readonly epoch: number;
  isLinked = false;
  lastReport: Report | null = null;
  lastNews: ForeignNews | null = null;
  readonly #told = new Map<string, number>();

  constructor(name: string, epoch: number, options: FleetOptions) {
    this.name = name;
    this.epoch = epoch;
    this.server = new TraceServer(this.queue, {
      poolTokens: options.poolTokens,
      chunkTokens: 64,
    });
    this.cells = new OwnCells({ epoch, tenantsMax: 100, cellUnitsMax: 2 ** 46 });
    const { catchUpUnitsMax = 2 ** 50 } = options;
    this.foreign = new ForeignSums({ catchUpUnitsMax, tenantsMax: 100 });
  }

  waitingOf(tenantId: string): number {
    return this.server.live.filter(
      (ticket) => ticket.tenantId === tenantId && ticket.state === "waiting",
    ).length;
  }

  /** What a heartbeat would tell. */
  report(tenantIds: readonly string[]): Report {
    for (const tenantId of tenantIds) {
      const served = this.server.servedTo(tenantId);
      const costUnits = served - (this.#told.get(tenantId) ?? 0);
      this.#told.set(tenantId, served);
      const tokens = { inputTokens: 0, cachedTokens: 0, outputTokens: 0 };
      if (costUnits > 0) this.cells.served(tenantId, 1, { ...tokens, costUnits });
      this.cells.setLive(
        tenantId,
        this.server.live.some((ticket) => ticket.tenantId === tenantId),
      );
    }
    return this.cells.takeUntold(100);
  }

  hear(news: ForeignNews): void {
    const { tenants, floorUnits } = this.foreign.hear(news);
    for (const { tenantId, units } of tenants) this.queue.addForeignService(tenantId, units);
    this.queue.raiseFloor(floorUnits);
  }
}

export class FleetModel {
  readonly nodes: ModelNode[];
  delivery: (node: number) => Delivery = () => ({});
  readonly #options: FleetOptions;
  #cells = new MergedCells({ tenantsMax: 100, nodeEpochsMax: 8 });
  #counters = this.#newCounters();
  /** What nodes gave that are gone. */
  readonly #gone = new Map<string, number>();
  #step = 0;

  constructor(options: FleetOptions) {
    this.#options = options;
    this.nodes = Array.from(
      { length: options.nodeCount },
      (_, index) => new ModelNode(`n${index}`, 1, options),
    );
  }

  /** Service units that a tenant was really given, over all nodes and their boots. */
  servedTo(tenantId: string): number {
    const now = this.nodes.reduce((sum, node) => sum + node.server.servedTo(tenantId), 0);
    return now + (this.#gone.get(tenantId) ?? 0);
  }

  /** Runs steps on all nodes at once; `observe` looks at the fleet after each. */
  run(steps: number, observe: (step: number) => void = () => {}): void {
    const { periodStepCount } = this.#options;
    for (let count = 0; count < steps; count++) {
      for (const [index, node] of this.nodes.entries()) {
        this.#keepBusy(node, index);
        node.server.step();
      }
      this.#step += 1;
      if (periodStepCount !== null && this.#step % periodStepCount === 0) this.#exchange();
      observe(this.#step);
    }
  }

  /** The node dies with all that it had, and boots again. */
  restart(index: number): void {
    const node = this.nodes[index];
    if (node === undefined) throw new Error(`there is no node ${index}`);
    for (const [tenantId, units] of node.server.served) {
      this.#gone.set(tenantId, (this.#gone.get(tenantId) ?? 0) + units);
    }
    this.#counters.nodeLost(node.name);
    this.nodes[index] = new ModelNode(node.name, node.epoch + 1, this.#options);
  }

  /** The hub dies; the next one has the cells and the floor that were kept. */
  restartHub(): void {
    const floorUnits = this.#counters.floor();
    const lifts = this.#options.tenantIds.map((tenantId) => ({
      tenantId,
      units: this.#counters.liftOf(tenantId),
    }));
    this.#counters = this.#newCounters();
    this.#counters.restore({ floorUnits, lifts });
    for (const node of this.nodes) node.isLinked = false;
  }

  #newCounters(): FleetCounters {
    return new FleetCounters((tenantId) => this.#cells.total(tenantId).serviceUnits);
  }

  #keepBusy(node: ModelNode, index: number): void {
    for (const tenantId of this.#options.tenantIds) {
      const sent = this.#options.workload(tenantId, index, this.#step);
      if (sent === undefined) continue;
      for (let waiting = node.waitingOf(tenantId); waiting < BACKLOG; waiting++) {
        node.server.send(sent);
      }
    }
  }

  #exchange(): void {
    for (const [index, node] of this.nodes.entries()) {
      const { isCut = false, repeats = false } = this.delivery(index);
      if (isCut) {
        if (node.isLinked) this.#counters.nodeLost(node.name);
        node.isLinked = false;
        continue;
      }
      if (!node.isLinked) node.cells.tellAll();
      const report = node.report(this.#options.tenantIds);
      this.#take(node, report);
      if (repeats) {
        this.#take(node, report);
        if (node.lastReport !== null) this.#take(node, { ...node.lastReport, isOld: true });
      }
      node.lastReport = report;
    }
    const floorUnits = this.#counters.floor();
    for (const [index, node] of this.nodes.entries()) {
      const { isCut = false, repeats = false } = this.delivery(index);
      if (!isCut) this.#tell(node, floorUnits, repeats);
    }
  }

  #take(node: ModelNode, report: Report & { readonly isOld?: boolean }): void {
    const { epoch, cells, isOld = false } = report;
    for (const cell of cells) {
      this.#cells.merge({ tenantId: cell.tenantId, nodeId: node.name, epoch }, cell);
      if (!isOld) this.#counters.setLive(cell.tenantId, node.name, cell.isLive);
    }
  }

  #tell(node: ModelNode, floorUnits: number, repeats: boolean): void {
    const tenants = this.#options.tenantIds.map((tenantId) => ({
      tenantId,
      foreignUnits: this.#cells.foreignUnits({ tenantId, nodeId: node.name, epoch: node.epoch }),
      counterUnits: this.#counters.counterOf(tenantId),
    }));
    const news = { isFull: !node.isLinked, floorUnits, tenants };
    node.isLinked = true;
    node.hear(news);
    if (repeats) {
      node.hear(news);
      if (node.lastNews !== null) node.hear({ ...node.lastNews, isFull: false });
    }
    node.lastNews = news;
  }
}
