// Worked by hand: SmolLM2-135M keeps 30 layers x 2 x 3 heads x 64 values x 2 bytes = 23,040 bytes a token.
import { describe, expect, it } from "vitest";
import { poolPageCount } from "./capacity.ts";

const SMOL = { kvBytesPerToken: 23_040, pageTokens: 16, contextTokens: 8_192 };
const GB = 1_000_000_000;

describe("poolPageCount", () => {
  it("holds the running set at 2,048 tokens a request where memory allows", () => {
    const wish = { ...SMOL, runningRequestsMax: 64, availableBytes: 100 * GB };
    expect(poolPageCount(wish)).toBe(8_192);
  });

  it("holds one full context at least", () => {
    const wish = { ...SMOL, runningRequestsMax: 1, availableBytes: 100 * GB };
    expect(poolPageCount(wish)).toBe(512);
  });

  it("takes a quarter of the available memory at most", () => {
    // 1 GB / 4 / 23,040 = 10,850 tokens = 679 pages.
    const wish = { ...SMOL, runningRequestsMax: 64, availableBytes: GB };
    expect(poolPageCount(wish)).toBe(679);
  });

  it("never goes below 512 tokens, and refuses to where these do not fit", () => {
    const wish = { ...SMOL, runningRequestsMax: 64, availableBytes: 20_000_000 };
    expect(poolPageCount(wish)).toBe(32);
    expect(() => poolPageCount({ ...wish, availableBytes: 10_000_000 })).toThrow(
      "one request of 512 tokens takes 11.3MiB, and 9.5MiB of memory are free",
    );
  });

  it("takes what the operator says, whatever is free", () => {
    const wish = { ...SMOL, runningRequestsMax: 64, availableBytes: GB };
    // 2 GiB / 368,640 bytes a page.
    expect(poolPageCount({ ...wish, kvMemoryBytes: 2 ** 31 })).toBe(5_825);
    expect(() => poolPageCount({ ...wish, kvMemoryBytes: 2 ** 20 })).toThrow(
      "--kv-memory 1MiB holds 32 tokens of this model; one request needs 512, that is 11.3MiB.",
    );
  });
});
