// Owns the room that one step's plan still has for what requests bring with their first rows: logit biases and pages
// that are computed already. Whoever does not fit begins a step later. Invariant: one request alone always fits.
import { biasCountOf } from "../engine/sampling-columns.ts";
import type { EngineInfo } from "../engine/engine.ts";
import type { EngineRequest } from "../engine/worker-messages.ts";
import { STEP_CACHED_PAGES_MAX } from "../limits.ts";
import type { RunningRequest } from "../request/request.ts";

export class PlanRoom {
  readonly #pageTokens: number;
  #biasesLeft: number;
  #pagesLeft = STEP_CACHED_PAGES_MAX;

  constructor({ capacity, pageTokens }: Pick<EngineInfo, "capacity" | "pageTokens">) {
    this.#biasesLeft = capacity.bias_updates;
    this.#pageTokens = pageTokens;
  }

  /** Computed pages that a first row may still bring. */
  get pagesLeft(): number {
    return this.#pagesLeft;
  }

  hasBiasesFor(spec: EngineRequest): boolean {
    return biasCountOf(spec) <= this.#biasesLeft;
  }

  /** Takes the room of a request's first row; false, and nothing is taken, when there is too little. */
  take({ spec, startPosition }: RunningRequest): boolean {
    const pages = Math.ceil(startPosition / this.#pageTokens);
    if (pages > this.#pagesLeft || !this.hasBiasesFor(spec)) return false;
    this.#pagesLeft -= pages;
    this.#biasesLeft -= biasCountOf(spec);
    return true;
  }
}
