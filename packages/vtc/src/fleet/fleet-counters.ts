// Owns the tenants' counters over a whole fleet: service of all nodes plus the lifts that take away credit saved while
// idle. A tenant is active while it has requests at a node. Nodes order by counters of their own; these say where a
// tenant stands, and from where a node that starts or has been idle goes on. Invariant: neither a counter nor the
// floor ever falls.

/** Counters of the fleet, in weighted service units. */
export class FleetCounters {
  readonly #served: (tenantId: string) => number;
  /** Units that were added to the service, by tenant. As many as have been lifted. */
  readonly #lifts = new Map<string, number>();
  /** Nodes where an active tenant has requests. */
  readonly #activeAt = new Map<string, Set<string>>();
  #floorUnits = 0;

  /** @param served a tenant's service over all nodes, in weighted units */
  constructor(served: (tenantId: string) => number) {
    this.#served = served;
  }

  /** Takes over what an earlier hub knew. */
  restore(state: {
    readonly floorUnits: number;
    readonly lifts: readonly { readonly tenantId: string; readonly units: number }[];
  }): void {
    this.#floorUnits = Math.max(this.#floorUnits, state.floorUnits);
    for (const { tenantId, units } of state.lifts) {
      this.#lifts.set(tenantId, Math.max(units, this.#lifts.get(tenantId) ?? 0));
    }
  }

  get activeIds(): readonly string[] {
    return [...this.#activeAt.keys()];
  }

  isActive(tenantId: string): boolean {
    return this.#activeAt.has(tenantId);
  }

  counterOf(tenantId: string): number {
    return this.#served(tenantId) + this.liftOf(tenantId);
  }

  liftOf(tenantId: string): number {
    return this.#lifts.get(tenantId) ?? 0;
  }

  /**
   * [VTC] Alg. 2 over the fleet: the smallest counter of the active tenants; while there is none, what it was when the
   * last one left.
   */
  floor(): number {
    let least = Infinity;
    for (const tenantId of this.#activeAt.keys()) {
      least = Math.min(least, this.counterOf(tenantId));
    }
    if (least !== Infinity) this.#floorUnits = Math.max(this.#floorUnits, least);
    return this.#floorUnits;
  }

  /** Notes whether a tenant has requests at a node; one that becomes active is lifted to the floor. */
  setLive(tenantId: string, nodeId: string, isLive: boolean): void {
    const nodes = this.#activeAt.get(tenantId);
    if (isLive) {
      if (nodes === undefined) this.#activate(tenantId, nodeId);
      else nodes.add(nodeId);
      return;
    }
    if (nodes === undefined || !nodes.delete(nodeId) || nodes.size > 0) return;
    // The one that leaves last leaves its counter as the floor.
    if (this.#activeAt.size === 1) this.#floorUnits = this.#leaverFloor(tenantId);
    this.#activeAt.delete(tenantId);
  }

  /** A node is gone, and with it the requests it had. */
  nodeLost(nodeId: string): void {
    for (const tenantId of this.activeIds) this.setLive(tenantId, nodeId, false);
  }

  #activate(tenantId: string, nodeId: string): void {
    const missing = this.floor() - this.counterOf(tenantId);
    if (missing > 0) this.#lifts.set(tenantId, this.liftOf(tenantId) + missing);
    this.#activeAt.set(tenantId, new Set([nodeId]));
  }

  #leaverFloor(tenantId: string): number {
    return Math.max(this.#floorUnits, this.counterOf(tenantId));
  }
}
