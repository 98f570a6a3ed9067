// Owns the deficit longest-prefix-match order: of the clients that have some of their quantum left, the request with
// the longest cached prefix is next, so that prefixes are used while they are in memory. Invariants: a client with its
// quantum used up waits for a refill, which comes when no waiting client has any left; deficits of waiting clients
// are never above the quantum, so served clients stay within U + Q of one another.
import { assert } from "@fairlane/base";
import { Accounts, type JoinedPrompt } from "./accounts.ts";
import { linearCost, type CostFunction, type PromptCost } from "./cost.ts";
import { VirtualCounter } from "./counter.ts";
import { CLIENTS_MAX, PREFIX_CANDIDATES_MAX, SWEEP_CLIENT_COUNT } from "./limits.ts";
import type { AdmissionOrder } from "./order.ts";
import { Ticket, type Fork, type Turn } from "./ticket.ts";
import { TicketQueue } from "./ticket-queue.ts";

export interface DeficitOptions<T> {
  /** Q: weighted service units that a refill gives, >= 1. */
  readonly quantumUnits: number;
  /** Tokens of the request's prompt that the prefix cache has now. */
  readonly prefixTokens: (request: T) => number;
  readonly cost?: CostFunction;
}

interface DeficitClient<T> {
  /** What it was served; its deficit is what it was allotted beyond that. */
  readonly counter: VirtualCounter;
  readonly waiting: TicketQueue<T>;
  allottedUnits: number;
  /** The refill up to which allotments were given. */
  refillCount: number;
  runningCount: number;
}

export class DeficitOrder<T> implements AdmissionOrder<T> {
  readonly name = "dlpm";
  readonly #options: DeficitOptions<T>;
  readonly #accounts: Accounts;
  readonly #clients = new Map<string, DeficitClient<T>>();
  /** Clients with waiting requests; who had a turn goes to the end. */
  readonly #waitingClients = new Set<DeficitClient<T>>();
  #refillCount = 0;
  #arrivalCount = 0;
  #waitingCount = 0;
  #picked: Ticket<T> | undefined;

  constructor(options: DeficitOptions<T>) {
    const { quantumUnits } = options;
    assert(
      Number.isSafeInteger(quantumUnits) && quantumUnits >= 1,
      `quantumUnits must be an integer >= 1, got ${quantumUnits}`,
    );
    this.#options = options;
    this.#accounts = new Accounts(options.cost ?? linearCost(), null);
  }

  get waitingCount(): number {
    return this.#waitingCount;
  }

  /** How far the deficits of waiting clients are apart: at most U + Q. O(waiting clients). */
  get spreadUnits(): number {
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    for (const client of this.#waitingClients) {
      const deficit = this.#deficit(client);
      low = Math.min(low, deficit);
      high = Math.max(high, deficit);
    }
    return high > low ? high - low : 0;
  }

  /** Refills so far: how often every waiting client had used its quantum up. */
  get refillCount(): number {
    return this.#refillCount;
  }

  /** Weighted units that the client may still be served before the next refill; 0 for one that is not known. */
  deficitOf(tenantId: string): number {
    const client = this.#clients.get(tenantId);
    return client === undefined ? 0 : this.#deficit(client);
  }

  add(turn: Turn<T>): Ticket<T> {
    this.#arrivalCount += 1;
    const ticket = new Ticket(turn, this.#arrivalCount);
    this.#clientOf(ticket.tenantId).counter.setWeight(turn.weight);
    this.#wait(ticket);
    return ticket;
  }

  /** [DLPM] Alg. 1: the longest match among clients with a positive deficit. The answer stands until something changes. */
  peek(): Ticket<T> | undefined {
    if (this.#picked !== undefined || this.#waitingCount === 0) return this.#picked;
    const eligible = this.#eligible();
    const perClient = Math.max(1, Math.floor(PREFIX_CANDIDATES_MAX / eligible.length));
    let bestTokens = -1;
    for (const { waiting } of eligible.slice(0, PREFIX_CANDIDATES_MAX)) {
      let seen = 0;
      for (const ticket of waiting) {
        const tokens = this.#options.prefixTokens(ticket.turn.request);
        if (tokens > bestTokens) {
          bestTokens = tokens;
          this.#picked = ticket;
        }
        seen += 1;
        if (seen >= perClient) break;
      }
    }
    return this.#picked;
  }

  join(ticket: Ticket<T>, prompt: JoinedPrompt): void {
    assert(ticket.state === "waiting", `a request that is ${ticket.state} joins`);
    const client = this.#clientOf(ticket.tenantId);
    if (ticket.prompt === null) ticket.chargedWeight = client.counter.weight;
    const units = this.#accounts.joined(ticket, prompt);
    client.counter.charge(units);
    ticket.state = "running";
    client.runningCount += 1;
    this.#left(client);
    // To the end of the round, so that ties go round.
    if (this.#waitingClients.delete(client)) this.#waitingClients.add(client);
  }

  fork(ticket: Ticket<T>, { request, prompt }: Fork<T>): Ticket<T> {
    this.#arrivalCount += 1;
    const fork = ticket.fork(request, this.#arrivalCount);
    const client = this.#clientOf(ticket.tenantId);
    fork.chargedWeight = client.counter.weight;
    client.counter.charge(this.#accounts.began(fork, prompt));
    client.runningCount += 1;
    return fork;
  }

  produced(ticket: Ticket<T>, tokens: number): void {
    const units = this.#accounts.produced(ticket, tokens);
    this.#clientOf(ticket.tenantId).counter.charge(units);
  }

  settle(): void {
    this.#picked = undefined;
  }

  preempted(ticket: Ticket<T>): void {
    assert(ticket.state === "running", `a request that is ${ticket.state} is preempted`);
    ticket.state = "waiting";
    this.#clientOf(ticket.tenantId).runningCount -= 1;
    this.#wait(ticket);
  }

  end(ticket: Ticket<T>, prompt: PromptCost): void {
    if (ticket.state === "ended") return;
    const client = this.#clientOf(ticket.tenantId);
    const units = this.#accounts.ended(ticket, prompt);
    if (units > 0) client.counter.giveBack(units, ticket.chargedWeight);
    const wasWaiting = ticket.state === "waiting";
    ticket.state = "ended";
    if (wasWaiting) this.#left(client);
    else client.runningCount -= 1;
    this.#picked = undefined;
    this.#forgetIfEven(ticket.tenantId, client);
  }

  compareService(a: Ticket<T>, b: Ticket<T>): number {
    return this.deficitOf(b.tenantId) - this.deficitOf(a.tenantId);
  }

  #clientOf(tenantId: string): DeficitClient<T> {
    const known = this.#clients.get(tenantId);
    if (known !== undefined) return known;
    const client: DeficitClient<T> = {
      counter: new VirtualCounter(),
      waiting: new TicketQueue(0),
      allottedUnits: 0,
      refillCount: this.#refillCount,
      runningCount: 0,
    };
    this.#clients.set(tenantId, client);
    return client;
  }

  #wait(ticket: Ticket<T>): void {
    const client = this.#clientOf(ticket.tenantId);
    client.waiting.insert(ticket);
    this.#waitingClients.add(client);
    this.#waitingCount += 1;
    this.#picked = undefined;
  }

  #left(client: DeficitClient<T>): void {
    client.waiting.left();
    this.#waitingCount -= 1;
    if (client.waiting.count === 0) this.#waitingClients.delete(client);
    this.#picked = undefined;
  }

  /** Waiting clients with a positive deficit; when nobody has one, as many refills as it takes. */
  #eligible(): DeficitClient<T>[] {
    const { quantumUnits } = this.#options;
    let least = Number.POSITIVE_INFINITY;
    const eligible: DeficitClient<T>[] = [];
    for (const client of this.#waitingClients) {
      const deficit = this.#deficit(client);
      if (deficit > 0) eligible.push(client);
      least = Math.min(least, Math.floor(-deficit / quantumUnits) + 1);
    }
    if (eligible.length > 0) return eligible;
    this.#refillCount += least;
    this.#sweep();
    return [...this.#waitingClients].filter((client) => this.#deficit(client) > 0);
  }

  /** With the refills since the client was looked at: one each, for as long as it has nothing left. */
  #deficit(client: DeficitClient<T>): number {
    const { quantumUnits } = this.#options;
    const deficit = client.allottedUnits - client.counter.key;
    const missed = this.#refillCount - client.refillCount;
    client.refillCount = this.#refillCount;
    if (missed === 0 || deficit > 0) return deficit;
    const wanted = Math.floor(-deficit / quantumUnits) + 1;
    client.allottedUnits += Math.min(missed, wanted) * quantumUnits;
    return client.allottedUnits - client.counter.key;
  }

  /** Forgets idle clients whose debts the refills have paid; beyond the bound the first idle ones. */
  #sweep(): void {
    let looked = 0;
    for (const [tenantId, client] of this.#clients) {
      this.#forgetIfEven(tenantId, client);
      looked += 1;
      if (looked >= SWEEP_CLIENT_COUNT && this.#clients.size <= CLIENTS_MAX) return;
    }
  }

  #forgetIfEven(tenantId: string, client: DeficitClient<T>): void {
    if (client.waiting.count > 0 || client.runningCount > 0) return;
    if (this.#deficit(client) < 0 && this.#clients.size <= CLIENTS_MAX) return;
    this.#clients.delete(tenantId);
  }
}
