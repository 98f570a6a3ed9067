import { describe, expect, it } from "vitest";
import { PrefillRate } from "./prefill-rate.ts";

const step = (prefillTokens: number, decodeTokens = 0) => ({
  ...{ prefillTokens, decodeTokens, budgetTokens: 512 },
  phasesUs: { plan: 0, wait: 0, settle: 0 },
});

describe("PrefillRate", () => {
  it("is unknown before a prompt, then tokens over time, and follows what is newer", () => {
    const rate = new PrefillRate();
    rate.note(step(0, 8), 1_000);
    expect(rate.tokensPerS).toBeUndefined();
    rate.note(step(500), 250_000);
    expect(rate.tokensPerS).toBe(2_000);
    for (let count = 0; count < 400; count++) rate.note(step(500), 1_000_000);
    expect(rate.tokensPerS).toBe(500);
  });
});
