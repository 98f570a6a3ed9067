// Owns a model of a server for tests of orders: a pool of tokens, strict reservation, one token per running request
// and step. It drives any order of admission with a trace, and keeps what each tenant was really served.
import { linearCost, type CostFunction } from "../cost.ts";
import type { AdmissionOrder } from "../order.ts";
import type { Ticket } from "../ticket.ts";

export interface Sent {
  readonly path: readonly string[];
  readonly promptTokens: number;
  /** Tokens that it really makes. */
  readonly outputTokens: number;
  /** What is reserved; at least what it makes. */
  readonly outputTokensMax?: number;
  readonly cachedTokens?: number;
  readonly weight?: number;
}

interface Live {
  readonly sent: Sent;
  readonly name: string;
  computedTokens: number;
  madeTokens: number;
}

export interface ServerOptions {
  readonly poolTokens: number;
  readonly slotCount?: number;
  /** Prompt tokens computed per request and step. */
  readonly chunkTokens?: number;
  readonly cost?: CostFunction;
}

export class TraceServer {
  readonly order: AdmissionOrder<string>;
  /** Service units that were really computed, by tenant; divided by nothing. */
  readonly served = new Map<string, number>();
  /** Names of requests in the order in which they joined, and what ended. */
  readonly log: string[] = [];
  nowMs = 0;
  readonly #options: ServerOptions;
  readonly #cost: CostFunction;
  readonly #live = new Map<Ticket<string>, Live>();
  #sentCount = 0;

  constructor(order: AdmissionOrder<string>, options: ServerOptions) {
    this.order = order;
    this.#options = options;
    this.#cost = options.cost ?? linearCost();
  }

  get running(): Ticket<string>[] {
    return [...this.#live.keys()].filter(({ state }) => state === "running");
  }

  get live(): Ticket<string>[] {
    return [...this.#live.keys()];
  }

  send(sent: Sent): Ticket<string> | null {
    const { path, promptTokens, outputTokens, outputTokensMax = outputTokens, weight = 1 } = sent;
    this.#sentCount += 1;
    const name = `${path.join("/")}#${this.#sentCount}`;
    const { nowMs } = this;
    const turn = { request: name, path, weight, promptTokens, outputTokensMax, nowMs };
    const ticket = this.order.add(turn);
    if (ticket === null) return null;
    this.#live.set(ticket, { sent, name, computedTokens: 0, madeTokens: 0 });
    return ticket;
  }

  /** Admits while the next one fits, then computes one step. */
  step(): void {
    for (let next = this.order.peek(); next !== undefined; next = this.order.peek()) {
      if (!this.fits(next)) break;
      const live = this.#liveOf(next);
      this.order.join(next, { cachedTokens: live.sent.cachedTokens ?? 0 });
      this.log.push(live.name);
      if ((live.sent.cachedTokens ?? 0) > 0 && live.computedTokens + live.madeTokens === 0) {
        const cachedTokens = live.sent.cachedTokens ?? 0;
        this.#serve(next, this.#cost.promptUnits({ computedTokens: 0, cachedTokens }));
      }
    }
    for (const ticket of this.running) this.#advance(ticket);
    this.order.settle();
    this.nowMs += 1_000;
  }

  /** Whether a request can join now: its slot, and its final length beside those of all that run. */
  fits(ticket: Ticket<string>): boolean {
    const { poolTokens, slotCount = 1_000 } = this.#options;
    const running = this.running;
    const held = running.reduce((sum, other) => sum + lengthOf(other), 0);
    return running.length < slotCount && held + lengthOf(ticket) <= poolTokens;
  }

  abort(ticket: Ticket<string>): void {
    const live = this.#liveOf(ticket);
    this.order.end(ticket, doneOf(live));
    this.#live.delete(ticket);
    this.log.push(`${live.name} aborted`);
  }

  preempt(ticket: Ticket<string>): void {
    this.log.push(`${this.#liveOf(ticket).name} preempted`);
    this.order.preempted(ticket);
  }

  servedTo(tenantId: string): number {
    return this.served.get(tenantId) ?? 0;
  }

  #advance(ticket: Ticket<string>): void {
    const live = this.#liveOf(ticket);
    const { promptTokens, outputTokens, cachedTokens = 0 } = live.sent;
    const left = promptTokens - cachedTokens - live.computedTokens;
    if (left > 0) {
      const chunk = Math.min(left, this.#options.chunkTokens ?? left);
      const before = this.#promptUnits(live);
      live.computedTokens += chunk;
      this.#serve(ticket, this.#promptUnits(live) - before);
      if (chunk < left) return;
    }
    if (outputTokens > 0) {
      const fromTokens = live.madeTokens;
      live.madeTokens += 1;
      this.order.produced(ticket, 1);
      const toTokens = live.madeTokens;
      this.#serve(ticket, this.#cost.outputUnits({ promptTokens, fromTokens, toTokens }));
    }
    if (live.madeTokens < outputTokens) return;
    this.order.end(ticket, doneOf(live));
    this.#live.delete(ticket);
  }

  #promptUnits({ computedTokens }: Live): number {
    return this.#cost.promptUnits({ computedTokens, cachedTokens: 0 });
  }

  #serve({ tenantId }: Ticket<string>, units: number): void {
    this.served.set(tenantId, this.servedTo(tenantId) + units);
  }

  #liveOf(ticket: Ticket<string>): Live {
    const live = this.#live.get(ticket);
    if (live === undefined) throw new Error(`${ticket.turn.request} is not live`);
    return live;
  }
}

function doneOf({ sent, computedTokens }: Live) {
  return { computedTokens, cachedTokens: sent.cachedTokens ?? 0 };
}

function lengthOf({ turn }: Ticket<string>): number {
  return turn.promptTokens + turn.outputTokensMax;
}
