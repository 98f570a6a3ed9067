import { describe, expect, it } from "vitest";
import { goodputOf, type ServedRequest } from "./goodput.ts";

const TARGETS = { ttftMaxUs: 300_000, fluidityMin: 0.9 };
const GOOD: ServedRequest = {
  isComplete: true,
  ttftUs: 300_000,
  fluidity: 0.9,
  outputTokens: 40,
};

describe("goodputOf", () => {
  it("counts requests and tokens that met both targets", () => {
    const requests = [
      GOOD,
      { ...GOOD, ttftUs: 300_001 },
      { ...GOOD, fluidity: 0.89 },
      { ...GOOD, outputTokens: 60 },
    ];
    expect(goodputOf(requests, TARGETS, 2_000_000)).toEqual({
      requests: 4,
      attained: 2,
      attainedShare: 0.5,
      attainedPerSecond: 1,
      outputTokensPerSecond: 50,
    });
  });

  it("counts failures and empty answers as missed", () => {
    const requests = [
      { ...GOOD, isComplete: false },
      { ...GOOD, ttftUs: null, fluidity: null, outputTokens: 0 },
    ];
    expect(goodputOf(requests, TARGETS, 1_000_000)).toMatchObject({ requests: 2, attained: 0 });
  });

  it("has no share of nothing, and needs a time", () => {
    expect(goodputOf([], TARGETS, 1).attainedShare).toBeNull();
    expect(() => goodputOf([], TARGETS, 0)).toThrow("takes time");
  });
});
