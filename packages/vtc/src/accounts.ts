// Owns what a ticket is charged, and when: the prompt when it first joins, outputs as they are computed, nothing for
// what is computed again, and back what was charged and not computed. Whose counter it goes to is the order's.
// Invariant: once a ticket has ended, its charges are the cost of what was computed for it, each token once.
import { assert } from "@fairlane/base";
import type { CostFunction, PromptCost } from "./cost.ts";
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
    const { promptTokens } = ticket.turn;
    assert(
      cachedTokens >= 0 && cachedTokens <= promptTokens,
      `${cachedTokens} of ${promptTokens} prompt tokens are cached`,
    );
    return this.began(ticket, { computedTokens: promptTokens - cachedTokens, cachedTokens });
  }

  /** @returns units to charge for this prompt, and for the output that is predicted */
  began(ticket: Ticket<unknown>, prompt: PromptCost): number {
    const { outputTokensMax } = ticket.turn;
    ticket.prompt = prompt;
    ticket.promptUnits = this.#cost.promptUnits(prompt);
    if (this.#predictor === null) return ticket.promptUnits;
    const predicted = this.#predictor.predict(ticket.tenantId, outputTokensMax);
    ticket.predictedTokens = Math.min(predicted, outputTokensMax);
    return ticket.promptUnits + this.#outputUnits(ticket, 0, ticket.predictedTokens);
  }

  /** @returns units to charge for `tokens` more output tokens, as far as they were not predicted */
  produced(ticket: Ticket<unknown>, tokens: number): number {
    const { outputTokens, predictedTokens } = ticket;
    const before = Math.max(outputTokens, predictedTokens);
    ticket.outputTokens = outputTokens + tokens;
    if (ticket.outputTokens <= before) return 0;
    return this.#outputUnits(ticket, before, ticket.outputTokens);
  }

  /**
   * @param prompt what of it was computed, and what came from the cache; a preempted request may find more there later
   * @returns units to give back: prompt that was not computed, and output that was predicted and not made
   */
  ended(ticket: Ticket<unknown>, prompt: PromptCost): number {
    const { promptUnits, outputTokens, predictedTokens } = ticket;
    if (ticket.prompt === null) return 0;
    if (outputTokens > 0) this.#predictor?.observe(ticket.tenantId, outputTokens);
    let units = promptUnits - this.#cost.promptUnits(prompt);
    assert(units >= 0, `${prompt.computedTokens} prompt tokens were computed, fewer were charged`);
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
