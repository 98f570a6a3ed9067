// Owns what tokens cost their client: the linear cost of the paper, and one fitted to a profile. Prices of billing are
// the ledger's. Invariants: costs are integers in service units and grow with every token; the cost of a range of
// output tokens is the sum of its tokens' costs, however it is split.
import { assert, AssertionError } from "@fairlane/base";
import { REQUEST_TOKENS_MAX } from "./limits.ts";

/**
 * Service units of one uncached prompt token in the linear cost: divisible by 1..10, so that the usual weights divide
 * it evenly. At 10,000 tokens a second a counter passes 2^53 after more than five years.
 */
export const UNITS_PER_TOKEN = 5_040;

/** A prompt as it is admitted: which part of it is computed, which comes from the prefix cache. */
export interface PromptCost {
  readonly computedTokens: number;
  readonly cachedTokens: number;
}

/** Output tokens number `fromTokens` + 1 .. `toTokens` of a request. */
export interface OutputCost {
  readonly promptTokens: number;
  readonly fromTokens: number;
  readonly toTokens: number;
}

/** What one batch can hold; both set how far counters may drift apart. */
export interface CostExtent {
  /** L_input: tokens of the longest prompt. */
  readonly promptTokensMax: number;
  /** M: tokens that the KV pool holds, which bounds the final lengths of requests that run together. */
  readonly poolTokens: number;
}

/** [VTC] The cost h(n_p, n_q): any function that grows with both; all results are integers in service units. */
export interface CostFunction {
  readonly name: string;
  /** Charged when the request joins the running set. */
  promptUnits(prompt: PromptCost): number;
  /** Charged when the tokens are computed. */
  outputUnits(output: OutputCost): number;
  /** U = max(cost of the longest prompt, cost of all output that one batch can still make). */
  spreadBoundUnits(extent: CostExtent): number;
}

/** Costs in service units per token. */
export interface LinearPrices {
  readonly promptUnits: number;
  readonly cachedUnits: number;
  readonly outputUnits: number;
}

/** w_p = 1, w_q = 2 as in the paper; a cached prompt token takes a page, not a computation: w_c = 0.05. */
export const LINEAR_PRICES: LinearPrices = {
  promptUnits: UNITS_PER_TOKEN,
  cachedUnits: UNITS_PER_TOKEN / 20,
  outputUnits: 2 * UNITS_PER_TOKEN,
};

/** [VTC] The linear cost: w_p n_p + w_q n_q, with a price of its own for cached prompt tokens. */
export function linearCost(prices: LinearPrices = LINEAR_PRICES): CostFunction {
  return new LinearCost(prices);
}

// Classes, since methods of one are the same functions for every instance: they run for every token.
class LinearCost implements CostFunction {
  readonly name = "linear";
  readonly #prices: LinearPrices;

  constructor(prices: LinearPrices) {
    for (const units of Object.values(prices) as number[]) {
      assert(Number.isSafeInteger(units) && units >= 0, `a price is ${units} units a token`);
    }
    assert(
      prices.outputUnits > 0,
      "output tokens must cost something, or a client may never pay for its turn",
    );
    this.#prices = prices;
  }

  promptUnits({ computedTokens, cachedTokens }: PromptCost): number {
    const { promptUnits, cachedUnits } = this.#prices;
    return promptUnits * computedTokens + cachedUnits * cachedTokens;
  }

  outputUnits({ fromTokens, toTokens }: OutputCost): number {
    return this.#prices.outputUnits * (toTokens - fromTokens);
  }

  spreadBoundUnits({ promptTokensMax, poolTokens }: CostExtent): number {
    const { promptUnits, cachedUnits, outputUnits } = this.#prices;
    return Math.max(Math.max(promptUnits, cachedUnits) * promptTokensMax, outputUnits * poolTokens);
  }
}

/** a n_p + b n_q + c n_p n_q + d n_q^2 + e, in 1e-7 of the profile's unit (so 0.21001891 is 2_100_189). */
export interface ProfileFit {
  readonly prompt: number;
  readonly output: number;
  readonly product: number;
  readonly outputSquared: number;
  readonly constant: number;
}

/** [VTC] The authors' fit for Llama-2-7B on an A10G, milliseconds of a request at full memory. */
export const A10G_PROFILE: ProfileFit = {
  prompt: 2_100_189,
  output: 1_007_540,
  product: 39_868,
  outputSquared: 32_473,
  constant: 11_460_145,
};

/** Profile units of 1e-7 in a service unit: 1e4 service units are one unit of the profile. */
const FIT_PER_UNIT = 1_000;
/** A cached prompt token costs this fraction of a computed one: 1 / 20, as in the linear cost. */
const CACHED_PART = 20;

/** A cost that grows with the context, from a fit of measured times. Lengths up to REQUEST_TOKENS_MAX. */
export function profiledCost(fit: ProfileFit = A10G_PROFILE): CostFunction {
  return new ProfiledCost(fit);
}

class ProfiledCost implements CostFunction {
  readonly name = "profiled";
  readonly #fit: ProfileFit;

  constructor(fit: ProfileFit) {
    for (const value of Object.values(fit) as number[]) {
      assert(Number.isSafeInteger(value) && value >= 0, `a coefficient of the fit is ${value}`);
    }
    this.#fit = fit;
  }

  promptUnits({ computedTokens, cachedTokens }: PromptCost): number {
    const { prompt, constant } = this.#fit;
    return (
      Math.floor((prompt * computedTokens + constant) / FIT_PER_UNIT) +
      Math.floor((prompt * cachedTokens) / (FIT_PER_UNIT * CACHED_PART))
    );
  }

  outputUnits({ promptTokens, fromTokens, toTokens }: OutputCost): number {
    return (
      this.#allOutputUnits(promptTokens, toTokens) - this.#allOutputUnits(promptTokens, fromTokens)
    );
  }

  // No token of a batch costs more than the last one of a request that fills the pool alone.
  spreadBoundUnits({ promptTokensMax, poolTokens }: CostExtent): number {
    const { output, product, outputSquared } = this.#fit;
    const mostPerToken = output + (product + 2 * outputSquared) * poolTokens;
    return Math.max(
      this.promptUnits({ computedTokens: promptTokensMax, cachedTokens: 0 }),
      Math.ceil((poolTokens * mostPerToken) / FIT_PER_UNIT),
    );
  }

  /** Of the first tokens together: rounded down as a whole, so that the parts of a range add up to the range. */
  #allOutputUnits(promptTokens: number, outputTokens: number): number {
    assertLengths(promptTokens, outputTokens);
    const { output, product, outputSquared } = this.#fit;
    const perToken = output + product * promptTokens + outputSquared * outputTokens;
    return Math.floor((perToken * outputTokens) / FIT_PER_UNIT);
  }
}

function assertLengths(promptTokens: number, outputTokens: number): void {
  // A message is made only when it is needed.
  if (promptTokens <= REQUEST_TOKENS_MAX && outputTokens <= REQUEST_TOKENS_MAX) return;
  throw new AssertionError(`${promptTokens} prompt and ${outputTokens} output tokens`);
}
