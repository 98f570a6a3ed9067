// Owns how many prefill tokens a step may take beside its decodes: a fixed number of tokens, or as many as keep the
// predicted step time within the target at the context where the chunk stands. Pure but for the predictor that it
// asks. Invariants: decodes are never limited; the minimum share is always granted; a step stays within its capacity.
import { assert } from "@fairlane/base";
import { PREFILL_SHARE_MIN_TOKENS, STEP_TILE_TOKENS } from "../limits.ts";
import { pairsOfChunk, type StepShape } from "./step-cost-model.ts";
import type { StepPredictor } from "./step-predictor.ts";

/** The time that a step may take by prediction. */
export interface StepTarget {
  readonly us: number;
  readonly predictor: StepPredictor;
}

/** Prefill tokens that a step takes whatever its decodes take: at most a quarter of a small budget. */
export function prefillShareMinTokens(stepBudgetTokens: number): number {
  return Math.min(PREFILL_SHARE_MIN_TOKENS, Math.ceil(stepBudgetTokens / 4));
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export class StepBudget {
  /** Most tokens of a step, unless its decodes and the minimum share are more. */
  readonly tokens: number;
  readonly target: StepTarget | null;
  readonly #shareMinTokens: number;
  readonly #tried: Mutable<StepShape> = {
    tokens: 0,
    decodes: 0,
    decodeContextTokens: 0,
    chunkPairs: 0,
  };

  /** @param target null: the budget is fixed at `tokens` */
  constructor(tokens: number, target: StepTarget | null = null) {
    assert(Number.isSafeInteger(tokens) && tokens >= 1, `a step budget of ${tokens} tokens`);
    this.tokens = tokens;
    this.target = target;
    this.#shareMinTokens = prefillShareMinTokens(tokens);
  }

  /**
   * Tokens that the next chunk may take on top of the batch so far.
   * @param chunk where it begins, and how many tokens its prompt has left
   */
  chunkTokens(
    batch: StepShape,
    chunk: { readonly firstPosition: number; readonly leftTokens: number },
  ): number {
    const prefillTokens = batch.tokens - batch.decodes;
    const prefillMax = Math.max(this.#shareMinTokens, this.tokens - batch.decodes);
    const most = Math.min(chunk.leftTokens, prefillMax - prefillTokens);
    if (this.target === null || most <= 0) return Math.max(0, most);
    const fitting = this.#largestFitting(batch, chunk.firstPosition, most);
    if (fitting === chunk.leftTokens) return fitting;
    // [Sarathi-Serve] 4.3: what is cut short is cut so that the sum of the step's tokens is a multiple of the tile.
    const aligned = fitting - ((batch.tokens + fitting) % STEP_TILE_TOKENS);
    const share = Math.min(most, this.#shareMinTokens - prefillTokens);
    return Math.max(0, aligned, share);
  }

  // [Mnemosyne] Adaptive chunking: the largest chunk whose predicted step time meets the target at its context.
  #largestFitting(batch: StepShape, firstPosition: number, most: number): number {
    let [fits, fails] = [0, most + 1];
    while (fails - fits > 1) {
      const tokens = (fits + fails) >>> 1;
      if (this.#fits(batch, firstPosition, tokens)) fits = tokens;
      else fails = tokens;
    }
    return fits;
  }

  #fits(batch: StepShape, firstPosition: number, tokens: number): boolean {
    const { target } = this;
    if (target === null) return true;
    const tried = this.#tried;
    tried.tokens = batch.tokens + tokens;
    tried.decodes = batch.decodes;
    tried.decodeContextTokens = batch.decodeContextTokens;
    tried.chunkPairs = batch.chunkPairs + pairsOfChunk(tokens, firstPosition);
    return target.predictor.predictUs(tried) <= target.us;
  }
}
