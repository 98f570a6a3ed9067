// Owns what an order of admission knows of one request: who sent it, when it came, and what was charged for it so far.
// Invariant: a ticket is waiting or running or has ended; it is charged for a prompt at most once, however often it is
// preempted and joins again.
import { assert } from "@fairlane/base";
import type { PromptCost } from "./cost.ts";
import type { Client } from "./hierarchy.ts";

/** A request that asks for its turn. */
export interface Turn<T> {
  readonly request: T;
  /** Clients from the outermost in: tenant, key, adapter. At least one, and always as many of one order. */
  readonly path: readonly string[];
  /** Of the tenant, 1 .. WEIGHT_MAX. */
  readonly weight: number;
  readonly promptTokens: number;
  /** Most output tokens that it may have. */
  readonly outputTokensMax: number;
  /** From any origin; only limits per time look at it. */
  readonly nowMs: number;
}

/** A further answer, and what of the prompt it does not share with the first one. */
export interface Fork<T> {
  readonly request: T;
  readonly prompt: PromptCost;
}

export class Ticket<T> {
  readonly turn: Turn<T>;
  /** Unique and growing: what came first has the lowest. A request that was preempted keeps its own. */
  readonly arrival: number;
  state: "waiting" | "running" | "ended" = "waiting";
  /** Which levels' queues hold it; bits by depth. */
  queuedMask = 0;
  /** What was charged when it first joined; null before. */
  prompt: PromptCost | null = null;
  promptUnits = 0;
  /** The tenant's weight when the prompt was charged. */
  chargedWeight = 1;
  outputTokens = 0;
  /** Output tokens that were charged in advance, by a prediction. */
  predictedTokens = 0;
  /** Whom the fair order charges, outermost first; its own, and empty under other orders and once it has ended. */
  clients: readonly Client<T>[] = [];

  constructor(turn: Turn<T>, arrival: number) {
    assert(turn.path.length > 0, "a request belongs to at least one client");
    this.turn = turn;
    this.arrival = arrival;
  }

  /** A running ticket of the same clients, not charged yet. */
  fork(request: T, arrival: number): Ticket<T> {
    const fork = new Ticket({ ...this.turn, request }, arrival);
    fork.state = "running";
    return fork;
  }

  /** The outermost client. */
  get tenantId(): string {
    return this.turn.path[0] ?? "";
  }
}
