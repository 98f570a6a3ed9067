// Owns the clients of one level (tenants, a tenant's keys, a key's adapters): their counters, which of them wait, the
// lift of one that comes back, and the forgetting of idle ones. Invariants: idle clients cost no pick anything; a
// client is forgotten only where the lift would override its counter anyway; a counter is lowered by refunds alone.
import { assert } from "@fairlane/base";
import { ClientHeap } from "./client-heap.ts";
import { VirtualCounter } from "./counter.ts";
import {
  CLIENTS_MAX,
  FORGET_CLIENTS_MAX,
  SWEEP_CLIENT_COUNT,
  SWEEP_EVENT_COUNT,
} from "./limits.ts";
import type { ClientSnapshot, GroupSnapshot } from "./snapshot.ts";
import type { Ticket } from "./ticket.ts";
import { TicketQueue } from "./ticket-queue.ts";

export class Client<T> {
  readonly id: string;
  readonly depth: number;
  readonly counter = new VirtualCounter();
  /** Its waiting requests, those of its own clients included. */
  readonly waiting: TicketQueue<T>;
  runningCount = 0;
  /** Weighted units that requests of it which run, or were preempted, may get back. */
  refundableUnits = 0;
  /** Service units of this step that are not in the counter yet. */
  pendingUnits = 0;
  /** The level below, while any of it is worth remembering. */
  group: ClientGroup<T> | null = null;
  heapIndex = -1;
  heapKey = 0;
  heapArrival = 0;

  constructor(id: string, depth: number) {
    this.id = id;
    this.depth = depth;
    this.waiting = new TicketQueue(depth);
  }

  get isIdle(): boolean {
    return this.waiting.count === 0 && this.runningCount === 0 && this.refundableUnits === 0;
  }

  /** Drops the level below once a new one would do the same. */
  forgetGroup(): void {
    if (this.isIdle && this.group?.isForgettable === true) this.group = null;
  }
}

/** How clients of a group are treated; the same for every level. */
export interface GroupRules {
  /** False: counters are never lifted, as in LCF, so that credit is banked. */
  readonly lifts: boolean;
  readonly clientsMax?: number;
  /** False: idle clients are kept until there are more than may be; for comparisons. */
  readonly forgets?: boolean;
}

export class ClientGroup<T> {
  readonly #rules: GroupRules;
  readonly #depth: number;
  readonly #clients = new Map<string, Client<T>>();
  readonly #queued = new ClientHeap<T>();
  /** Clients with requests that run or may get something back. */
  readonly #unsettled = new Set<Client<T>>();
  #lastDeparted: Client<T> | null = null;
  /** The counter of the client that left last before a restart. */
  #savedFloor: number | null = null;
  /** What a fleet of which this is a part says the floor is, at least; as if no counter had been lowered. */
  #fleetFloor = Number.NEGATIVE_INFINITY;
  /** By how much counters were lowered alike: what zero has become. */
  #rebasedUnits = 0;
  #eventCount = 0;
  #sweep: Iterator<Client<T>> | null = null;
  #forgivenCount = 0;

  constructor(depth: number, rules: GroupRules) {
    this.#depth = depth;
    this.#rules = rules;
  }

  get clientCount(): number {
    return this.#clients.size;
  }

  /** Clients that were forgotten with a debt, because there were too many. */
  get forgivenCount(): number {
    return this.#forgivenCount;
  }

  get queued(): ClientHeap<T> {
    return this.#queued;
  }

  get clients(): IterableIterator<Client<T>> {
    return this.#clients.values();
  }

  /** What a client that comes back is lifted to: the lowest waiting one's counter, else the last departed one's, or the
   * fleet's floor where that is higher. */
  get floor(): number | null {
    const min = this.#queued.min();
    if (min !== undefined) return min.counter.key;
    const own = this.#lastDeparted?.counter.key ?? this.#savedFloor;
    const fleet = this.#fleetFloor - this.#rebasedUnits;
    return own === null && fleet === Number.NEGATIVE_INFINITY
      ? null
      : Math.max(own ?? Number.NEGATIVE_INFINITY, fleet);
  }

  /** While nobody waits here, who comes back is lifted at least to this, in weighted units since the start. */
  raiseFloor(units: number): void {
    this.#fleetFloor = Math.max(this.#fleetFloor, units);
  }

  get(id: string): Client<T> | undefined {
    return this.#clients.get(id);
  }

  clientOf(id: string): Client<T> {
    const known = this.#clients.get(id);
    if (known !== undefined) return known;
    const client = new Client<T>(id, this.#depth);
    client.counter.rebase(this.#rebasedUnits);
    this.#clients.set(id, client);
    return client;
  }

  /** The level below a client. */
  groupOf(client: Client<T>): ClientGroup<T> {
    client.group ??= new ClientGroup(this.#depth + 1, this.#rules);
    return client.group;
  }

  /**
   * [VTC] Alg. 2, the monitoring stream: a client without waiting requests is lifted to the lowest counter of those
   * that have some, or of the one that left last when nobody has.
   */
  arrived(client: Client<T>, ticket: Ticket<T>): void {
    const isBack = client.waiting.count === 0;
    if (isBack && this.#rules.lifts) {
      const { floor } = this;
      if (floor !== null) client.counter.liftTo(floor);
    }
    client.waiting.insert(ticket);
    if (isBack) this.#queued.insert(client);
    else this.#queued.lowered(client);
    this.#note();
  }

  /** A ticket of the client stopped waiting. */
  left(client: Client<T>): void {
    client.waiting.left();
    if (client.waiting.count > 0) return;
    this.#queued.remove(client);
    this.#lastDeparted = client;
    this.#savedFloor = null;
  }

  began(client: Client<T>, refundableUnits: number): void {
    client.runningCount += 1;
    client.refundableUnits += refundableUnits;
    this.#unsettled.add(client);
  }

  paused(client: Client<T>): void {
    client.runningCount -= 1;
    assert(client.runningCount >= 0, `${client.id} has ${client.runningCount} running requests`);
  }

  /** Nothing of a ticket can be given back any more. */
  settled(client: Client<T>, refundableUnits: number): void {
    client.refundableUnits -= refundableUnits;
    if (client.runningCount > 0 || client.refundableUnits > 0) return;
    this.#unsettled.delete(client);
    client.forgetGroup();
    this.#note();
  }

  /**
   * Gives units back that were charged at `weight`. A client that waits is lifted to the lowest waiting counter, itself
   * included, as it was before: a refund buys no credit, and the lowest counter never goes down.
   */
  refund(client: Client<T>, units: number, weight: number): void {
    const lowest = client.heapIndex < 0 ? null : this.floor;
    client.counter.giveBack(units, weight);
    if (lowest !== null && this.#rules.lifts) client.counter.liftTo(lowest);
    this.#queued.lowered(client);
  }

  /** Service from elsewhere. A client that is not known stands at the floor. */
  addForeign(id: string, weightedUnits: number): void {
    const isKnown = this.#clients.has(id);
    const { floor } = this;
    const { counter } = this.clientOf(id);
    if (!isKnown && floor !== null) counter.liftTo(floor);
    counter.addWeighted(weightedUnits);
    this.#note();
  }

  /** Lowers all counters by the floor once it has passed `atUnits`; the order is the same. */
  renormalise(atUnits: number): void {
    const units = this.floor ?? 0;
    if (units < atUnits) return;
    for (const client of this.#clients.values()) client.counter.rebase(units);
    this.#queued.rebase(units);
    this.#rebasedUnits = Math.min(this.#rebasedUnits + units, Number.MAX_SAFE_INTEGER);
    if (this.#savedFloor !== null) this.#savedFloor -= units;
  }

  /** What would be lost by a restart: the floor, and whoever stands above it. */
  snapshot(): GroupSnapshot {
    const { floor } = this;
    const clients: ClientSnapshot[] = [];
    for (const client of this.#clients.values()) {
      const { id, counter, group } = client;
      const below = group?.snapshot() ?? null;
      const hasBelow = below !== null && below.clients.length > 0;
      const { key, carry, weight } = counter;
      if (floor !== null && isBelow(client, floor) && !hasBelow) continue;
      clients.push({ id, key, carry, weight, group: hasBelow ? below : null });
    }
    return { floor, clients };
  }

  /** Takes over what another group had; this one is new. */
  restore({ floor, clients }: GroupSnapshot): void {
    assert(this.#clients.size === 0, `${this.#clients.size} clients are known already`);
    assert(floor === null || Number.isSafeInteger(floor), `a saved floor is ${floor}`);
    this.#savedFloor = floor;
    for (const saved of clients) {
      const client = this.clientOf(saved.id);
      client.counter.restore(saved);
      if (saved.group !== null) this.groupOf(client).restore(saved.group);
    }
  }

  /** Nobody waits, runs or owes anything against the floor: a fresh group would do the same. */
  get isForgettable(): boolean {
    if (this.#queued.count > 0 || this.#clients.size > FORGET_CLIENTS_MAX) return false;
    const floor = this.floor ?? 0;
    for (const client of this.#clients.values()) {
      if (!client.isIdle || !isBelow(client, floor) || client.group !== null) return false;
    }
    return true;
  }

  #note(): void {
    this.#eventCount += 1;
    const { forgets = true, clientsMax = CLIENTS_MAX } = this.#rules;
    const isTooMany = this.#clients.size > clientsMax;
    if (!isTooMany && (!forgets || this.#eventCount % SWEEP_EVENT_COUNT !== 0)) return;
    this.#sweepSome(isTooMany);
  }

  // Looks at some clients, going round. An idle one whose counter any later lift would raise is forgotten. Without
  // lifts no counter may be.
  #sweepSome(isTooMany: boolean): void {
    const floor = this.#rules.lifts ? this.#lowestLaterFloor() : Number.NEGATIVE_INFINITY;
    this.#sweep ??= this.#clients.values();
    for (let looked = 0; looked < SWEEP_CLIENT_COUNT; looked++) {
      const next = this.#sweep.next();
      if (next.done === true) {
        this.#sweep = null;
        return;
      }
      const client = next.value;
      if (!client.isIdle || client === this.#lastDeparted) continue;
      client.forgetGroup();
      const isOwing = !isBelow(client, floor) || client.group !== null;
      if (isOwing && !isTooMany) continue;
      if (isOwing) this.#forgivenCount += 1;
      this.#clients.delete(client.id);
    }
  }

  // The floor goes down only when the client that left last gets something back, and no counter goes below that.
  #lowestLaterFloor(): number {
    let lowest = this.floor ?? Number.NEGATIVE_INFINITY;
    for (const client of this.#unsettled) {
      lowest = Math.min(lowest, client.counter.key - client.refundableUnits);
    }
    return lowest;
  }
}

/** A lift to the floor leaves nothing of the client's counter. */
function isBelow(client: Client<unknown>, floor: number): boolean {
  const { key, carry } = client.counter;
  return key < floor || (key === floor && carry === 0);
}
