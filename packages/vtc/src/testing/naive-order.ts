// Owns the slow reference of the fair order: lists that are scanned, exact rationals, no forgetting. It follows the
// paper's rules and ours for refunds word by word and shares no code with the product but the cost function.
import type { AdmissionOrder } from "../order.ts";
import { linearCost, type CostFunction, type PromptCost } from "../cost.ts";
import { Ticket, type Turn } from "../ticket.ts";

interface Rational {
  readonly n: bigint;
  readonly d: bigint;
}

function plus(a: Rational, b: Rational): Rational {
  return { n: a.n * b.d + b.n * a.d, d: a.d * b.d };
}

function compare(a: Rational, b: Rational): number {
  const difference = a.n * b.d - b.n * a.d;
  return difference < 0n ? -1 : Number(difference > 0n);
}

const ZERO: Rational = { n: 0n, d: 1n };

export class NaiveOrder implements AdmissionOrder<string> {
  readonly name = "naive";
  readonly spreadUnits = 0;
  readonly counters = new Map<string, Rational>();
  readonly weights = new Map<string, bigint>();
  readonly #cost: CostFunction;
  readonly #tickets: Ticket<string>[] = [];
  readonly #lastDeparted = new Map<string, string>();
  #arrivalCount = 0;

  constructor(cost = linearCost()) {
    this.#cost = cost;
  }

  get waitingCount(): number {
    return this.#waiting().length;
  }

  counter(path: readonly string[]): Rational {
    return this.counters.get(path.join("/")) ?? ZERO;
  }

  add(turn: Turn<string>): Ticket<string> {
    this.#arrivalCount += 1;
    const ticket = new Ticket(turn, this.#arrivalCount);
    const [tenantId = ""] = turn.path;
    this.weights.set(tenantId, BigInt(turn.weight));
    ticket.state = "ended";
    this.#arrive(ticket);
    this.#tickets.push(ticket);
    return ticket;
  }

  peek(): Ticket<string> | undefined {
    let candidates = this.#waiting();
    const depthMax = candidates[0]?.turn.path.length ?? 0;
    for (let depth = 1; depth <= depthMax; depth++) {
      let best: Ticket<string> | undefined;
      for (const ticket of candidates) {
        if (best === undefined) best = ticket;
        const key = this.counter(ticket.turn.path.slice(0, depth));
        const lowest = this.counter(best.turn.path.slice(0, depth));
        if (compare(key, lowest) < 0) best = ticket;
      }
      // `#waiting` is in the order of arrival, so of equals the oldest was kept.
      const prefix = prefixOf(best, depth);
      candidates = candidates.filter((ticket) => prefixOf(ticket, depth) === prefix);
    }
    return candidates[0];
  }

  join(ticket: Ticket<string>, { cachedTokens }: { readonly cachedTokens: number }): void {
    const isFirst = ticket.prompt === null;
    ticket.state = "running";
    if (isFirst) {
      const { promptTokens } = ticket.turn;
      ticket.prompt = { computedTokens: promptTokens - cachedTokens, cachedTokens };
      ticket.promptUnits = this.#cost.promptUnits(ticket.prompt);
      ticket.chargedWeight = Number(this.weights.get(ticket.tenantId) ?? 1n);
      this.#charge(ticket, ticket.promptUnits);
    }
    this.#depart(ticket);
  }

  fork(): Ticket<string> {
    throw new Error("the reference has no forks");
  }

  produced(ticket: Ticket<string>, tokens: number): void {
    const { promptTokens } = ticket.turn;
    const fromTokens = ticket.outputTokens;
    ticket.outputTokens += tokens;
    const toTokens = ticket.outputTokens;
    this.#charge(ticket, this.#cost.outputUnits({ promptTokens, fromTokens, toTokens }));
  }

  settle(): void {}

  preempted(ticket: Ticket<string>): void {
    this.#arrive(ticket);
  }

  end(ticket: Ticket<string>, done: PromptCost): void {
    const wasWaiting = ticket.state === "waiting";
    ticket.state = "ended";
    if (wasWaiting) this.#depart(ticket);
    if (ticket.prompt === null) return;
    const units = ticket.promptUnits - this.#cost.promptUnits(done);
    if (units > 0) this.#refund(ticket, units);
  }

  compareService(a: Ticket<string>, b: Ticket<string>): number {
    return compare(this.counter([a.tenantId]), this.counter([b.tenantId]));
  }

  #waiting(): Ticket<string>[] {
    const waiting = this.#tickets.filter(({ state }) => state === "waiting");
    return waiting.toSorted((a, b) => a.arrival - b.arrival);
  }

  /** The lowest counter of waiting clients of one level, without one of them. */
  #lowestOf(group: string, depth: number, without: string | null): Rational | null {
    let lowest: Rational | null = null;
    for (const ticket of this.#waiting()) {
      const id = prefixOf(ticket, depth);
      if (prefixOf(ticket, depth - 1) !== group || id === without) continue;
      const key = this.counters.get(id) ?? ZERO;
      if (lowest === null || compare(key, lowest) < 0) lowest = key;
    }
    return lowest;
  }

  #arrive(ticket: Ticket<string>): void {
    for (let depth = 1; depth <= ticket.turn.path.length; depth++) {
      const id = prefixOf(ticket, depth);
      const group = prefixOf(ticket, depth - 1);
      if (this.#waiting().some((other) => prefixOf(other, depth) === id)) continue;
      const last = this.#lastDeparted.get(group);
      const lift =
        this.#lowestOf(group, depth, id) ??
        (last === undefined ? null : (this.counters.get(last) ?? ZERO));
      const key = this.counters.get(id) ?? ZERO;
      this.counters.set(id, lift !== null && compare(lift, key) > 0 ? lift : key);
    }
    ticket.state = "waiting";
  }

  #depart(ticket: Ticket<string>): void {
    for (let depth = 1; depth <= ticket.turn.path.length; depth++) {
      const id = prefixOf(ticket, depth);
      if (this.#waiting().some((other) => prefixOf(other, depth) === id)) continue;
      this.#lastDeparted.set(prefixOf(ticket, depth - 1), id);
    }
  }

  #charge(ticket: Ticket<string>, units: number): void {
    for (let depth = 1; depth <= ticket.turn.path.length; depth++) {
      const id = prefixOf(ticket, depth);
      const d = depth === 1 ? (this.weights.get(ticket.tenantId) ?? 1n) : 1n;
      this.counters.set(id, plus(this.counters.get(id) ?? ZERO, { n: BigInt(units), d }));
    }
  }

  #refund(ticket: Ticket<string>, units: number): void {
    for (let depth = 1; depth <= ticket.turn.path.length; depth++) {
      const id = prefixOf(ticket, depth);
      const d = depth === 1 ? BigInt(ticket.chargedWeight) : 1n;
      const isWaiting = this.#waiting().some((other) => prefixOf(other, depth) === id);
      const lowest = isWaiting ? this.#lowestOf(prefixOf(ticket, depth - 1), depth, null) : null;
      let key = plus(this.counters.get(id) ?? ZERO, { n: -BigInt(units), d });
      if (lowest !== null && compare(lowest, key) > 0) key = lowest;
      this.counters.set(id, key);
    }
  }
}

function prefixOf(ticket: Ticket<string> | undefined, depth: number): string {
  return ticket?.turn.path.slice(0, depth).join("/") ?? "";
}
