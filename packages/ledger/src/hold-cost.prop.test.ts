import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { costBoundNanoUsd } from "./hold-cost.ts";
import { costNanoUsd, priceOf } from "./price-list.ts";

const rate = fc.nat(9_000_000_000);
const price = fc.record({
  inputNanoUsdPerMillion: rate,
  cachedInputNanoUsdPerMillion: rate,
  outputNanoUsdPerMillion: rate,
});

describe("costBoundNanoUsd", () => {
  it("is never below what is billed for at most as many tokens, whatever model answers", () => {
    const models = fc.record({ "*": price, small: price, large: price });
    const named = fc.constantFrom("small", "large");
    fc.assert(
      fc.property(
        models,
        fc.option(named),
        named,
        fc.tuple(fc.nat(9_999), fc.nat(9_999), fc.nat(9_999)),
        (list, asked, answers, [computed, cached, output]) => {
          const prices = { version: "plan_a", models: list };
          const bound = costBoundNanoUsd(prices, {
            model: asked,
            promptTokens: computed + cached,
            outputTokens: output,
          });
          const billed = priceOf(prices, asked ?? answers);
          if (!bound.ok || !billed) throw new Error("priced");
          const tokens = { promptTokens: computed, cachedTokens: cached, outputTokens: output };
          const cost = costNanoUsd(tokens, billed);
          expect(cost.ok && cost.value <= bound.value).toBe(true);
        },
      ),
    );
  });

  it("tells a list without prices and an amount that is too large", () => {
    const tokens = { model: null, promptTokens: 1_000_000_000, outputTokens: 0 };
    expect(costBoundNanoUsd({ version: "p", models: {} }, tokens)).toEqual({
      ok: false,
      error: "price_missing",
    });
    const dear = {
      inputNanoUsdPerMillion: 9_000_000_000_000,
      cachedInputNanoUsdPerMillion: 0,
      outputNanoUsdPerMillion: 0,
    };
    expect(costBoundNanoUsd({ version: "p", models: { "*": dear } }, tokens).ok).toBe(true);
    const overflow = { ...tokens, promptTokens: 2_000_000_000 };
    expect(costBoundNanoUsd({ version: "p", models: { "*": dear } }, overflow).ok).toBe(false);
  });
});
