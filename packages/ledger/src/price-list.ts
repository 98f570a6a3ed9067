// Owns what tokens cost: prices in integer nano-USD per million tokens, times counts, rounded in one place.
// BigInt inside, so no product overflows; invariant: an amount that leaves here is a safe integer >= 0.
import { err, ok, units, type NanoUsd, type Result } from "@fairlane/base";
import type { AccountPrices, ModelPrice } from "@fairlane/protocol";
import { NANO_USD_MAX, PRICE_NANO_USD_MAX, RECORD_TOKENS_MAX } from "./limits.ts";

/** Why an amount cannot be computed. */
export type PriceFault = "price_missing" | "price_invalid" | "counts_invalid" | "amount_overflow";

/** Token counts by the price they are billed at. */
export interface TokenSums {
  /** Prompt tokens that were computed. */
  readonly promptTokens: number;
  /** Prompt tokens taken from a cache. */
  readonly cachedTokens: number;
  readonly outputTokens: number;
}

const TOKENS_PER_PRICE = 1_000_000n;
const WHOLE_PERCENT = 100;

/** The price of a model in a list: its own, else that of `*`, else none. */
export function priceOf(prices: AccountPrices, model: string): ModelPrice | undefined {
  if (Object.hasOwn(prices.models, model)) return prices.models[model];
  return Object.hasOwn(prices.models, "*") ? prices.models["*"] : undefined;
}

/**
 * What these tokens cost. Rounded once, after the three products are summed.
 * @param percent of the price: 100, or what a version says for a class of requests
 */
export function costNanoUsd(
  tokens: TokenSums,
  price: ModelPrice,
  percent = WHOLE_PERCENT,
): Result<NanoUsd, PriceFault> {
  const counts = [tokens.promptTokens, tokens.cachedTokens, tokens.outputTokens];
  if (!counts.every((count) => isCount(count, RECORD_TOKENS_MAX))) return err("counts_invalid");
  const rates = [
    price.inputNanoUsdPerMillion,
    price.cachedInputNanoUsdPerMillion,
    price.outputNanoUsdPerMillion,
  ];
  if (!rates.every((rate) => isCount(rate, PRICE_NANO_USD_MAX))) return err("price_invalid");
  let millionths = 0n;
  counts.forEach((count, index) => (millionths += BigInt(count) * BigInt(rates[index] ?? 0)));
  if (!isCount(percent, WHOLE_PERCENT)) return err("price_invalid");
  const amount = roundToNanoUsd(millionths * BigInt(percent));
  return amount > BigInt(NANO_USD_MAX) ? err("amount_overflow") : ok(units.nanoUsd(Number(amount)));
}

/** Adds two amounts; an error instead of a sum that is no safe integer. */
export function addNanoUsd(left: NanoUsd, right: NanoUsd): Result<NanoUsd, "amount_overflow"> {
  const sum = left + right;
  return Number.isSafeInteger(sum) ? ok(units.nanoUsd(sum)) : err("amount_overflow");
}

/** The only rounding of money: percents of millionths of a nano-USD to the nearest nano-USD, halves up. */
function roundToNanoUsd(parts: bigint): bigint {
  const whole = TOKENS_PER_PRICE * BigInt(WHOLE_PERCENT);
  return (parts + whole / 2n) / whole;
}

function isCount(value: number, max: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value <= max;
}
