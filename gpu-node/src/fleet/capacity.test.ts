// Worked by hand: SmolLM2-135M keeps 30 layers x 2 x 3 heads x 64 values x 2 bytes = 23,040 bytes a token.
import { describe, expect, it } from "vitest";
import { defaultPageCount } from "./capacity.ts";

const SMOL = { kvBytesPerToken: 23_040, pageTokens: 16, contextTokens: 8_192 };
const GB = 1_000_000_000;

describe("defaultPageCount", () => {
  it("holds the running set at 2,048 tokens a request where memory allows", () => {
    const wish = { ...SMOL, runningRequestsMax: 64, availableBytes: 100 * GB };
    expect(defaultPageCount(wish)).toBe(8_192);
  });

  it("holds one full context at least", () => {
    const wish = { ...SMOL, runningRequestsMax: 1, availableBytes: 100 * GB };
    expect(defaultPageCount(wish)).toBe(512);
  });

  it("takes a quarter of the available memory at most", () => {
    // 1 GB / 4 / 23,040 = 10,850 tokens = 679 pages.
    const wish = { ...SMOL, runningRequestsMax: 64, availableBytes: GB };
    expect(defaultPageCount(wish)).toBe(679);
  });

  it("never goes below 512 tokens", () => {
    const wish = { ...SMOL, runningRequestsMax: 64, availableBytes: 1_000 };
    expect(defaultPageCount(wish)).toBe(32);
  });
});
