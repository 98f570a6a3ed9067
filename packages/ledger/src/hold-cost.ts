// Owns the bound of what a request may cost before anybody knows how it will be billed: never below the bill of as
// many tokens. An unknown or absent model counts as the dearest of the list.
import { err, type NanoUsd, type Result } from "@fairlane/base";
import type { AccountPrices, ModelPrice } from "@fairlane/protocol";
import { costNanoUsd, type PriceFault } from "./price-list.ts";

/** The most that these tokens can cost; prompt tokens at the dearer of computed and cached. */
export function costBoundNanoUsd(
  prices: AccountPrices,
  request: {
    readonly model: string | null;
    readonly promptTokens: number;
    readonly outputTokens: number;
  },
): Result<NanoUsd, PriceFault> {
  const price = dearest(prices, request.model);
  if (price === undefined) return err("price_missing");
  const { promptTokens, outputTokens } = request;
  return costNanoUsd({ promptTokens, cachedTokens: 0, outputTokens }, price);
}

function dearest(prices: AccountPrices, model: string | null): ModelPrice | undefined {
  const own =
    model !== null && Object.hasOwn(prices.models, model) ? prices.models[model] : undefined;
  const candidates = own === undefined ? Object.values(prices.models) : [own];
  if (candidates.length === 0) return undefined;
  const max = (rate: (price: ModelPrice) => number): number => Math.max(...candidates.map(rate));
  return {
    inputNanoUsdPerMillion: max((price) =>
      Math.max(price.inputNanoUsdPerMillion, price.cachedInputNanoUsdPerMillion),
    ),
    cachedInputNanoUsdPerMillion: 0,
    outputNanoUsdPerMillion: max((price) => price.outputNanoUsdPerMillion),
  };
}
