// Owns what a ticket is charged, and when: the prompt when it first joins, outputs as they are computed, nothing for
// what is computed again, and back what was charged and not computed. Whose counter it goes to is the order's.
// Invariant: once a ticket has ended, its charges are the cost of what was computed for it, each token once.
import { assert } from "@fairlane/base";
import type { CostFunction } from "./cost.ts";
import type { OutputPredictor } from "./predictor.ts";
import type { Ticket } from "./ticket.ts";

/** A prompt as it joins the running set. */
export interface JoinedPrompt {
  readonly cachedTokens: number;
}

export class Accounts {
  readonly #cost: CostFunction;
  readonly #predictor: OutputPredictor | null;
  /** Reused: outputs are charged for every row of every step. */
  readonly #span = { promptTokens: 0, fromTokens: 0, toTokens: 0 };

  constructor(cost: CostFunction, predictor: OutputPredictor | null) {
    this.#cost = cost;
    this.#predictor = predictor;
  }

  /**
   * [VTC] Alg. 2: the prompt is charged when the request joins, so that the next pick of the same fill sees it.
   * @returns units to charge; 0 for a request that was preempted and joins again
   */
  joined(ticket: Ticket<unknown>, { cachedTokens }: JoinedPrompt): number {
    if (ticket.prompt !== null) return 0;
    const { promptTokens, outputTokensMax } = ticket.turn;
    assert(
      cachedTokens >= 0 && cachedTokens <= promptTokens,
      `${cachedTokens} of ${promptTokens} prompt tokens are cached`,
    );
    ticket.prompt = { computedTokens: promptTokens - cachedTokens, cachedTokens };
    ticket.promptUnits = this.#cost.promptUnits(ticket.prompt);
    if (this.#predictor === null) return ticket.promptUnits;
    const predicted = this.#predictor.predict(ticket.tenantId, outputTokensMax);
    ticket.predictedTokens = Math.min(predicted, outputTokensMax);
    return ticket.promptUnits + this.#outputUnits(ticket, 0, ticket.predictedTokens);
  }

  /** @returns units to charge for `tokens` more output tokens, as far as they were not predicted */
  produced(ticket: Ticket<unknown>, tokens: number): number {
    const before = Math.max(ticket.outputTokens, ticket.predictedTokens);
    ticket.outputTokens += tokens;
    if (ticket.outputTokens <= before) return 0;
    return this.#outputUnits(ticket, before, ticket.outputTokens);
  }

  /**
   * @param computedTokens of the prompt, at most what was charged
   * @returns units to give back: prompt that was not computed, and output that was predicted and not made
   */
  ended(ticket: Ticket<unknown>, computedTokens: number): number {
    const { prompt, promptUnits, outputTokens, predictedTokens } = ticket;
    if (prompt === null) return 0;
    if (outputTokens > 0) this.#predictor?.observe(ticket.tenantId, outputTokens);
    let units = 0;
    if (computedTokens < prompt.computedTokens) {
      const { cachedTokens } = prompt;
      units += promptUnits - this.#cost.promptUnits({ computedTokens, cachedTokens });
    }
    if (outputTokens < predictedTokens) {
      units += this.#outputUnits(ticket, outputTokens, predictedTokens);
    }
    return units;
  }

  /** Most units that the ticket's end may give back. */
  refundableUnits(ticket: Ticket<unknown>): number {
    return ticket.promptUnits + this.#outputUnits(ticket, 0, ticket.predictedTokens);
  }

  #outputUnits(ticket: Ticket<unknown>, fromTokens: number, toTokens: number): number {
    const span = this.#span;
    span.promptTokens = ticket.turn.promptTokens;
    span.fromTokens = fromTokens;
    span.toTokens = toTokens;
    return this.#cost.outputUnits(span);
  }
}
