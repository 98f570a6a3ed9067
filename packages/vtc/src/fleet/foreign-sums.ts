// Owns what a node makes of the service that other nodes gave: from the hub's sums, which only grow, the units that its
// own queue still has to count. Invariants: however often and in whatever order sums are heard, a unit is counted at
// most once; one hearing counts at most the catch-up bound for a tenant, and what is above it is forgiven.
import { assert } from "@fairlane/base";

/** What the hub tells of one tenant. */
export interface ForeignSum {
  readonly tenantId: string;
  /** Service units from everyone but this node in this epoch: cumulative. */
  readonly foreignUnits: number;
  /** The tenant's counter over the fleet. */
  readonly counterUnits: number;
}

export interface ForeignNews {
  /** Sums of all tenants, as told after a link began, rather than of those that changed. */
  readonly isFull: boolean;
  /** The smallest counter of the fleet's active tenants. */
  readonly floorUnits: number;
  readonly tenants: readonly ForeignSum[];
}

/** What the node's queue is to do. */
export interface ForeignCharges {
  readonly tenants: readonly { readonly tenantId: string; readonly units: number }[];
  /** A tenant that returns is lifted at least to this; in units since the node's start. */
  readonly floorUnits: number;
}

export interface ForeignSumsOptions {
  /** C: a link that was down for long must not starve a tenant for longer than this much service takes. */
  readonly catchUpUnitsMax: number;
  /** Tenants remembered; the one that changed least recently goes first. */
  readonly tenantsMax: number;
}

export class ForeignSums {
  readonly #options: ForeignSumsOptions;
  /** The sum up to which a tenant's foreign service is counted or forgiven. */
  readonly #counted = new Map<string, number>();
  /** The fleet's floor where this node's began, at 0. */
  #baseUnits: number | null = null;
  #floorUnits = 0;
  /** The first full telling of this node's life is under way: it says where tenants stand. */
  #isStarting = true;

  constructor(options: ForeignSumsOptions) {
    this.#options = options;
  }

  /** Takes the hub's news; returns what is new of it. */
  hear(news: ForeignNews): ForeignCharges {
    if (!news.isFull) this.#isStarting = false;
    this.#hearFloor(news.floorUnits);
    const tenants: { tenantId: string; units: number }[] = [];
    for (const sum of news.tenants) {
      const units = this.#isStarting ? this.#begin(sum, news.floorUnits) : this.#count(sum);
      if (units > 0) tenants.push({ tenantId: sum.tenantId, units });
    }
    this.#forgetOldest();
    return { tenants, floorUnits: this.#floorUnits };
  }

  #hearFloor(fleetFloorUnits: number): void {
    this.#baseUnits ??= fleetFloorUnits;
    const units = fleetFloorUnits - this.#baseUnits;
    if (units >= this.#floorUnits) this.#floorUnits = units;
    // A hub that lost its state counts from a new zero.
    else if (units < this.#floorUnits - this.#options.catchUpUnitsMax) {
      this.#baseUnits = fleetFloorUnits - this.#floorUnits;
    }
  }

  /** Where a tenant stands when the node starts: who is above the fleet's floor keeps the debt. */
  #begin({ tenantId, foreignUnits, counterUnits }: ForeignSum, fleetFloorUnits: number): number {
    const isKnown = this.#counted.has(tenantId);
    this.#remember(tenantId, foreignUnits);
    if (isKnown) return 0;
    return Math.min(this.#options.catchUpUnitsMax, Math.max(0, counterUnits - fleetFloorUnits));
  }

  #count({ tenantId, foreignUnits }: ForeignSum): number {
    assert(Number.isSafeInteger(foreignUnits), `foreign service of ${foreignUnits} units`);
    const { catchUpUnitsMax } = this.#options;
    const counted = this.#counted.get(tenantId) ?? 0;
    const units = foreignUnits - counted;
    // A little less is an old sum, or of a hub that restarted and has not heard all nodes again. Much less is a hub
    // that lost its state.
    if (units < 0 && units >= -catchUpUnitsMax) return 0;
    this.#remember(tenantId, foreignUnits);
    return Math.min(catchUpUnitsMax, Math.max(0, units));
  }

  #remember(tenantId: string, foreignUnits: number): void {
    this.#counted.delete(tenantId);
    this.#counted.set(tenantId, foreignUnits);
  }

  #forgetOldest(): void {
    for (const tenantId of this.#counted.keys()) {
      if (this.#counted.size <= this.#options.tenantsMax) return;
      this.#counted.delete(tenantId);
    }
  }
}
