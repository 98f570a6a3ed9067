import { describe, expect, it } from "vitest";
import { goDuration, rateLimitHeaders } from "./rate-limit-headers.ts";

describe("goDuration", () => {
  // As Go's time.Duration prints them.
  it.each([
    [0, "0s"],
    [-5, "0s"],
    [1, "1ms"],
    [0.2, "1ms"],
    [12, "12ms"],
    [999, "999ms"],
    [1_000, "1s"],
    [1_500, "1.5s"],
    [59_999, "59.999s"],
    [60_000, "1m0s"],
    [90_020, "1m30.02s"],
    [360_000, "6m0s"],
    [3_600_000, "1h0m0s"],
    [86_399_999, "23h59m59.999s"],
    [360_000_001, "100h0m0.001s"],
  ])("writes %d ms as %s", (durationMs, text) => {
    expect(goDuration(durationMs)).toBe(text);
  });
});

describe("rateLimitHeaders", () => {
  it("has OpenAI's six names", () => {
    const rates = {
      limitRequests: 600,
      remainingRequests: 599,
      resetRequestsMs: 100,
      limitTokens: 1_000_000,
      remainingTokens: 0,
      resetTokensMs: 60_000,
    };
    expect(Object.fromEntries(rateLimitHeaders(rates))).toEqual({
      "x-ratelimit-limit-requests": "600",
      "x-ratelimit-remaining-requests": "599",
      "x-ratelimit-reset-requests": "100ms",
      "x-ratelimit-limit-tokens": "1000000",
      "x-ratelimit-remaining-tokens": "0",
      "x-ratelimit-reset-tokens": "1m0s",
    });
  });
});
