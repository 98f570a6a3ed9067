// Owns this node's part in fairness over the fleet: what it gives each tenant, counted from the same progress as usage,
// goes out as cells with heartbeats of shard 0; what the others gave comes in and goes on to the scheduler, which
// decides who is next. Invariant: the cells of one boot never fall, and once a link begins all of them are told again.
import type { Clock } from "@fairlane/base";
import { protocolLimits, type CellReport, type ServiceFrame } from "@fairlane/protocol";
import {
  ForeignSums,
  OwnCells,
  type CostFunction,
  type ForeignCharges,
  type OwnCell,
} from "@fairlane/vtc";
import type { EngineRequest } from "../engine/worker-messages.ts";
import { CATCH_UP_UNITS_MAX, CELL_UNITS_MAX, FLEET_TENANTS_MAX } from "../limits.ts";
import type { LiveCounts } from "../usage/live-counts.ts";

export interface FleetShareOptions {
  /** Of this boot. */
  readonly epoch: number;
  readonly cost: CostFunction;
  readonly clock: Clock;
  /** Hands the scheduler what is new of the others' service. */
  readonly addForeign: (charges: ForeignCharges) => void;
}

export class FleetShare {
  readonly #options: FleetShareOptions;
  readonly #cells: OwnCells;
  readonly #foreign = new ForeignSums({
    catchUpUnitsMax: CATCH_UP_UNITS_MAX,
    tenantsMax: FLEET_TENANTS_MAX,
  });
  #heardAtMs: number | null = null;

  constructor(options: FleetShareOptions) {
    this.#options = options;
    this.#cells = new OwnCells({
      epoch: options.epoch,
      tenantsMax: FLEET_TENANTS_MAX,
      cellUnitsMax: CELL_UNITS_MAX,
    });
  }

  /** How old the fleet's last news is; null before any. */
  get newsAgeMs(): number | null {
    if (this.#heardAtMs === null) return null;
    return Math.max(0, this.#options.clock.nowMs() - this.#heardAtMs);
  }

  /** Counts what a step did for a request. */
  grew(request: EngineRequest, before: LiveCounts, after: LiveCounts): void {
    const { tenantId, weight, promptTokens } = request;
    // Of a request with several answers only the first has prompt and wait.
    if (promptOf(before) === 0 && promptOf(after) > 0) {
      this.#cells.scheduled(tenantId, after.queueMs ?? 0);
    }
    const costUnits =
      this.#costOf(promptTokens.length, after) - this.#costOf(promptTokens.length, before);
    if (costUnits === 0) return;
    this.#cells.served(tenantId, weight, {
      inputTokens: after.computedPromptTokens - before.computedPromptTokens,
      cachedTokens: after.cachedTokens - before.cachedTokens,
      outputTokens: after.outputTokens - before.outputTokens,
      costUnits,
    });
  }

  /** A tenant has requests here now, or has none any more. */
  live(tenantId: string, isLive: boolean): void {
    this.#cells.setLive(tenantId, isLive);
  }

  /** A link of shard 0 began: its hub may know nothing. */
  linkBegan(): void {
    this.#cells.tellAll();
  }

  /** What the next heartbeat tells. */
  report(): CellReport {
    const { epoch, cells } = this.#cells.takeUntold(protocolLimits.SERVICE_CELLS_MAX);
    return { epoch, cells: cells.map(wireCell) };
  }

  /** Takes the hub's word of what the others gave. */
  heard(frame: ServiceFrame): void {
    const { clock, addForeign } = this.#options;
    this.#heardAtMs = clock.nowMs();
    const tenants = frame.tenants.map((one) => ({
      tenantId: one.tenant_id,
      foreignUnits: one.foreign_units,
      counterUnits: one.counter_units,
    }));
    const { full: isFull, floor_units: floorUnits } = frame;
    addForeign(this.#foreign.hear({ isFull, floorUnits, tenants }));
  }

  #costOf(promptTokens: number, counts: LiveCounts): number {
    const { cost } = this.#options;
    const { computedPromptTokens: computedTokens, cachedTokens, outputTokens } = counts;
    const isCharged = promptOf(counts) > 0;
    const prompt = isCharged ? cost.promptUnits({ computedTokens, cachedTokens }) : 0;
    return prompt + cost.outputUnits({ promptTokens, fromTokens: 0, toTokens: outputTokens });
  }
}

function promptOf({ computedPromptTokens, cachedTokens }: LiveCounts): number {
  return computedPromptTokens + cachedTokens;
}

function wireCell(cell: OwnCell): CellReport["cells"][number] {
  return {
    tenant_id: cell.tenantId,
    weight: cell.weight,
    live: cell.isLive,
    input_tokens: cell.inputTokens,
    cached_tokens: cell.cachedTokens,
    output_tokens: cell.outputTokens,
    service_units: cell.serviceUnits,
    queue_ms: cell.queueMs,
    requests: cell.requests,
  };
}
