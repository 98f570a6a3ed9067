import { units } from "@fairlane/base";
import { describe, expect, it } from "vitest";
import { addNanoUsd, costNanoUsd, priceOf } from "./price-list.ts";

const PRICE = {
  inputNanoUsdPerMillion: 150_000_000,
  cachedInputNanoUsdPerMillion: 75_000_000,
  outputNanoUsdPerMillion: 600_000_000,
};

describe("costNanoUsd", () => {
  it("prices a worked example: 0.15 / 0.075 / 0.60 USD per million", () => {
    // 1,000 x 150 + 200 x 75 + 50 x 600 nano-USD.
    const tokens = { promptTokens: 1_000, cachedTokens: 200, outputTokens: 50 };
    expect(costNanoUsd(tokens, PRICE)).toEqual({ ok: true, value: 195_000 });
  });

  it("rounds the sum once, halves up", () => {
    const price = {
      inputNanoUsdPerMillion: 250_000,
      cachedInputNanoUsdPerMillion: 0,
      outputNanoUsdPerMillion: 250_000,
    };
    const cost = (promptTokens: number, outputTokens: number): unknown =>
      costNanoUsd({ promptTokens, cachedTokens: 0, outputTokens }, price);
    expect(cost(1, 0)).toEqual({ ok: true, value: 0 });
    // Each part alone is 0.25; the sum of 0.5 rounds up.
    expect(cost(1, 1)).toEqual({ ok: true, value: 1 });
    expect(cost(2, 3)).toEqual({ ok: true, value: 1 });
    expect(cost(3, 3)).toEqual({ ok: true, value: 2 });
  });

  it("takes a percentage of the sum, rounded once", () => {
    const tokens = { promptTokens: 1_000, cachedTokens: 200, outputTokens: 50 };
    expect(costNanoUsd(tokens, PRICE, 50)).toEqual({ ok: true, value: 97_500 });
    const price = {
      inputNanoUsdPerMillion: 1_000_000,
      cachedInputNanoUsdPerMillion: 0,
      outputNanoUsdPerMillion: 0,
    };
    const cost = (promptTokens: number, percent: number): unknown =>
      costNanoUsd({ promptTokens, cachedTokens: 0, outputTokens: 0 }, price, percent);
    // Of 1, 3 and 3 nano-USD: 0.5, 1.5 and 1.47.
    expect(cost(1, 50)).toEqual({ ok: true, value: 1 });
    expect(cost(3, 50)).toEqual({ ok: true, value: 2 });
    expect(cost(3, 49)).toEqual({ ok: true, value: 1 });
    for (const percent of [-1, 101, 0.5]) {
      expect(cost(1, percent)).toEqual({ ok: false, error: "price_invalid" });
    }
  });

  it("costs nothing when nothing was computed", () => {
    const tokens = { promptTokens: 0, cachedTokens: 0, outputTokens: 0 };
    expect(costNanoUsd(tokens, PRICE)).toEqual({ ok: true, value: 0 });
  });

  it("refuses counts, prices and amounts out of range", () => {
    const one = { promptTokens: 1, cachedTokens: 1, outputTokens: 1 };
    const fault = (tokens: object, price: object): unknown =>
      costNanoUsd({ ...one, ...tokens }, { ...PRICE, ...price });
    expect(fault({ promptTokens: -1 }, {})).toEqual({ ok: false, error: "counts_invalid" });
    expect(fault({ cachedTokens: 0.5 }, {})).toEqual({ ok: false, error: "counts_invalid" });
    expect(fault({ outputTokens: 1_000_000_001 }, {})).toEqual({
      ok: false,
      error: "counts_invalid",
    });
    expect(fault({}, { outputNanoUsdPerMillion: Number.NaN })).toEqual({
      ok: false,
      error: "price_invalid",
    });
    expect(fault({}, { inputNanoUsdPerMillion: 9_000_000_000_001 })).toEqual({
      ok: false,
      error: "price_invalid",
    });
    const dear = { outputNanoUsdPerMillion: 9_000_000_000_000 };
    // 1,000,000,000 tokens x 9,000,000 = 9.0e15 fits; with the input at the same price it does not.
    expect(fault({ outputTokens: 1_000_000_000 }, dear)).toEqual({
      ok: true,
      value: 9_000_000_000_000_225,
    });
    const both = { ...dear, inputNanoUsdPerMillion: 9_000_000_000_000 };
    expect(fault({ outputTokens: 1_000_000_000, promptTokens: 1_000_000_000 }, both)).toEqual({
      ok: false,
      error: "amount_overflow",
    });
  });
});

describe("addNanoUsd", () => {
  it("adds, and refuses a sum that is no safe integer", () => {
    expect(addNanoUsd(units.nanoUsd(2), units.nanoUsd(3))).toEqual({ ok: true, value: 5 });
    const max = units.nanoUsd(9_007_199_254_740_991);
    expect(addNanoUsd(max, units.nanoUsd(0)).ok).toBe(true);
    expect(addNanoUsd(max, units.nanoUsd(1))).toEqual({ ok: false, error: "amount_overflow" });
  });
});

describe("priceOf", () => {
  const free = {
    inputNanoUsdPerMillion: 0,
    cachedInputNanoUsdPerMillion: 0,
    outputNanoUsdPerMillion: 0,
  };

  it("prefers the model's own price over the one for any other", () => {
    const prices = { version: "v1", models: { base: PRICE, "*": free } };
    expect(priceOf(prices, "base")).toBe(PRICE);
    expect(priceOf(prices, "other")).toBe(free);
  });

  it("has no price for a model that is not listed, whatever its name", () => {
    const prices = { version: "v1", models: { base: PRICE } };
    expect(priceOf(prices, "other")).toBeUndefined();
    expect(priceOf(prices, "constructor")).toBeUndefined();
  });
});
