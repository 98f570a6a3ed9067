// Owns the fair order: the waiting request of the client with the lowest virtual counter is next, level by level. It
// never passes a client over, except within the slack that the caller names. Invariants: every token is charged once,
// along the whole path of its clients; of clients that wait, no two counters differ by more than U, plus the slack.
import { assert } from "@fairlane/base";
import { Accounts, type JoinedPrompt } from "./accounts.ts";
import { linearCost, type CostFunction, type PromptCost } from "./cost.ts";
import { ClientGroup, type Client, type GroupRules } from "./hierarchy.ts";
import { RENORMALISE_AT_UNITS } from "./limits.ts";
import type { AdmissionOrder } from "./order.ts";
import type { OutputPredictor } from "./predictor.ts";
import { firstWithin } from "./skip.ts";
import type { GroupSnapshot } from "./snapshot.ts";
import { Ticket, type Fork, type Turn } from "./ticket.ts";

export interface FairQueueOptions extends Partial<GroupRules> {
  readonly cost?: CostFunction;
  readonly predictor?: OutputPredictor | null;
  readonly renormaliseAtUnits?: number;
  /** Told of all service as it is charged, and negative when it is given back; weighted units are the counter's. */
  readonly onServed?: (tenantId: string, units: number, weightedUnits: number) => void;
}

export class FairQueue<T> implements AdmissionOrder<T> {
  readonly name: string;
  readonly cost: CostFunction;
  readonly #accounts: Accounts;
  readonly #renormaliseAtUnits: number;
  readonly #onServed: FairQueueOptions["onServed"];
  readonly #tenants: ClientGroup<T>;
  /** Clients of tickets that produced something since the last settle, each once; the rest is left from before. */
  readonly #produced: (readonly Client<T>[])[] = [];
  #producedCount = 0;
  #arrivalCount = 0;
  #waitingCount = 0;

  constructor(options: FairQueueOptions = {}) {
    const { lifts = true, predictor = null, renormaliseAtUnits = RENORMALISE_AT_UNITS } = options;
    this.name = lifts ? "vtc" : "lcf";
    this.cost = options.cost ?? linearCost();
    this.#accounts = new Accounts(this.cost, predictor);
    this.#renormaliseAtUnits = renormaliseAtUnits;
    this.#onServed = options.onServed;
    this.#tenants = new ClientGroup(0, { ...options, lifts });
  }

  get waitingCount(): number {
    return this.#waitingCount;
  }

  /** Tenants whose counters are kept. */
  get tenantCount(): number {
    return this.#tenants.clientCount;
  }

  /** What a restart needs so that nobody gains or loses by it. */
  snapshot(): GroupSnapshot {
    return this.#tenants.snapshot();
  }

  /** Takes over the counters of a queue before it; this one is new. */
  restore(snapshot: GroupSnapshot): void {
    this.#tenants.restore(snapshot);
  }

  /** How far the counters of waiting tenants are apart, in weighted units. O(waiting tenants). */
  get spreadUnits(): number {
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    for (const { counter } of this.#tenants.queued.items) {
      low = Math.min(low, counter.key);
      high = Math.max(high, counter.key);
    }
    return high > low ? high - low : 0;
  }

  /** A tenant's counter, in weighted units; undefined when none is kept. */
  keyOf(tenantId: string): number | undefined {
    return this.#tenants.get(tenantId)?.counter.key;
  }

  add(turn: Turn<T>): Ticket<T> {
    this.#arrivalCount += 1;
    const ticket = new Ticket(turn, this.#arrivalCount);
    this.#wait(ticket);
    return ticket;
  }

  peek(): Ticket<T> | undefined {
    let next = this.#tenants.queued.min();
    while (next?.group?.queued.min() !== undefined) next = next.group.queued.min();
    return next?.waiting.head;
  }

  /**
   * The first request that may join now, of a client whose counter is at most `slackUnits` above the lowest of its
   * level. The spread's bound grows by the slack. Looks at a few clients of each level at most.
   */
  peekWithin(slackUnits: number, mayJoin: (ticket: Ticket<T>) => boolean): Ticket<T> | undefined {
    return firstWithin(this.#tenants, slackUnits, mayJoin);
  }

  join(ticket: Ticket<T>, prompt: JoinedPrompt): void {
    assert(ticket.state === "waiting", `a request that is ${ticket.state} joins`);
    const isFirst = ticket.prompt === null;
    const units = this.#accounts.joined(ticket, prompt);
    ticket.state = "running";
    this.#waitingCount -= 1;
    this.#begin(ticket, isFirst ? units : null);
    const path = this.#clientsOf(ticket);
    for (let depth = path.length - 1; depth >= 0; depth--) {
      const { group, client } = this.#level(path, depth);
      group.left(client);
    }
  }

  fork(ticket: Ticket<T>, { request, prompt }: Fork<T>): Ticket<T> {
    assert(ticket.state === "running", `a request that is ${ticket.state} is forked`);
    this.#arrivalCount += 1;
    const fork = ticket.fork(request, this.#arrivalCount);
    const path = this.#clientsOf(ticket);
    fork.clients = path;
    const units = this.#accounts.began(fork, prompt);
    this.#begin(fork, units);
    return fork;
  }

  produced(ticket: Ticket<T>, tokens: number): void {
    const { clients: path } = ticket;
    const leaf = path[path.length - 1];
    if (leaf === undefined) return;
    const units = this.#accounts.produced(ticket, tokens);
    if (units === 0) return;
    if (leaf.pendingUnits === 0) {
      this.#produced[this.#producedCount] = path;
      this.#producedCount += 1;
    }
    leaf.pendingUnits += units;
  }

  settle(): void {
    // The array is not emptied: it would be allocated anew in every step.
    for (let index = 0; index < this.#producedCount; index++) {
      const path = this.#produced[index];
      if (path !== undefined) this.#settlePending(path);
    }
    this.#producedCount = 0;
  }

  preempted(ticket: Ticket<T>): void {
    assert(ticket.state === "running", `a request that is ${ticket.state} is preempted`);
    this.settle();
    ticket.state = "waiting";
    this.#waitingCount += 1;
    const path = this.#clientsOf(ticket);
    for (let depth = path.length - 1; depth >= 0; depth--) {
      const { group, client } = this.#level(path, depth);
      group.paused(client);
      group.arrived(client, ticket);
    }
  }

  end(ticket: Ticket<T>, prompt: PromptCost): void {
    if (ticket.state === "ended") return;
    this.settle();
    const wasWaiting = ticket.state === "waiting";
    const path = this.#clientsOf(ticket);
    const refundable = this.#refundableUnits(ticket);
    const units = this.#accounts.ended(ticket, prompt);
    const weight = ticket.chargedWeight;
    ticket.state = "ended";
    if (wasWaiting) this.#waitingCount -= 1;
    const keyBefore = path[0]?.counter.key ?? 0;
    // The level below first: an idle client forgets it.
    for (let depth = path.length - 1; depth >= 0; depth--) {
      const { group, client } = this.#level(path, depth);
      if (wasWaiting) group.left(client);
      else group.paused(client);
      if (units > 0) group.refund(client, units, depth === 0 ? weight : 1);
      group.settled(client, depth === 0 ? weighted(refundable, ticket) : refundable);
    }
    ticket.clients = NO_CLIENTS;
    if (units > 0) this.#served(path[0], -units, keyBefore);
  }

  compareService(a: Ticket<T>, b: Ticket<T>): number {
    return this.#keyOfTicket(a) - this.#keyOfTicket(b);
  }

  /**
   * Adds service that other nodes gave a tenant, in weighted units (divided by the weight in force there). A tenant
   * that is not known here stands at the floor: what it was served elsewhere counts from there.
   */
  addForeignService(tenantId: string, weightedUnits: number): void {
    assert(
      Number.isSafeInteger(weightedUnits) && weightedUnits >= 0,
      `foreign service of ${weightedUnits} units`,
    );
    this.#tenants.addForeign(tenantId, weightedUnits);
  }

  /**
   * While no tenant waits here, one that comes back is lifted at least to the fleet's floor: it saves no credit by being
   * idle while other nodes serve. In weighted units since this queue was new.
   */
  raiseFloor(weightedUnits: number): void {
    assert(Number.isSafeInteger(weightedUnits), `a floor of ${weightedUnits} units`);
    this.#tenants.raiseFloor(weightedUnits);
  }

  #wait(ticket: Ticket<T>): void {
    const { path: ids, weight } = ticket.turn;
    const path: Client<T>[] = [];
    let group = this.#tenants;
    for (const id of ids) {
      const client = group.clientOf(id);
      if (path.length === 0) client.counter.setWeight(weight);
      path.push(client);
      group.arrived(client, ticket);
      if (path.length < ids.length) group = group.groupOf(client);
    }
    ticket.clients = path;
    this.#waitingCount += 1;
  }

  /** @param units to charge; null when the ticket was charged before */
  #begin(ticket: Ticket<T>, units: number | null): void {
    const path = this.#clientsOf(ticket);
    if (units !== null) ticket.chargedWeight = path[0]?.counter.weight ?? 1;
    const refundable = units === null ? 0 : this.#refundableUnits(ticket);
    if (units !== null && units > 0) this.#charge(path, units);
    for (let depth = path.length - 1; depth >= 0; depth--) {
      const { group, client } = this.#level(path, depth);
      group.began(client, depth === 0 ? weighted(refundable, ticket) : refundable);
    }
  }

  #settlePending(path: readonly Client<T>[]): void {
    const leaf = path[path.length - 1];
    const units = leaf?.pendingUnits ?? 0;
    if (leaf === undefined || units === 0) return;
    leaf.pendingUnits = 0;
    this.#charge(path, units);
  }

  #charge(path: readonly Client<T>[], units: number): void {
    const keyBefore = path[0]?.counter.key ?? 0;
    for (const client of path) client.counter.charge(units);
    this.#served(path[0], units, keyBefore);
    for (let depth = 0; depth < path.length; depth++) {
      const key = path[depth]?.counter.key ?? 0;
      if (key < this.#renormaliseAtUnits) continue;
      this.#level(path, depth).group.renormalise(this.#renormaliseAtUnits / 2);
    }
  }

  #served(tenant: Client<T> | undefined, units: number, keyBefore: number): void {
    if (tenant !== undefined) this.#onServed?.(tenant.id, units, tenant.counter.key - keyBefore);
  }

  #level(path: readonly Client<T>[], depth: number): Level<T> {
    const client = path[depth];
    const group = depth === 0 ? this.#tenants : path[depth - 1]?.group;
    assert(client !== undefined && group instanceof ClientGroup, `a path has no level ${depth}`);
    return { client, group };
  }

  #refundableUnits(ticket: Ticket<T>): number {
    return ticket.prompt === null ? 0 : this.#accounts.refundableUnits(ticket);
  }

  #keyOfTicket(ticket: Ticket<T>): number {
    return ticket.clients[0]?.counter.key ?? Number.NEGATIVE_INFINITY;
  }

  #clientsOf(ticket: Ticket<T>): readonly Client<T>[] {
    const { clients } = ticket;
    assert(clients.length > 0, "the request is not of this queue");
    return clients;
  }
}

const NO_CLIENTS: readonly never[] = [];

interface Level<T> {
  readonly client: Client<T>;
  readonly group: ClientGroup<T>;
}

/** Units of a refund in the tenant's counter, rounded up. */
function weighted(units: number, ticket: Ticket<unknown>): number {
  return Math.ceil(units / ticket.chargedWeight);
}
