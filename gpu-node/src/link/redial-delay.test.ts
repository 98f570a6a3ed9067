// The expected waits are read off the rule: base 100 ms, doubled, cap 5,000 ms, upper half random.
import { describe, expect, it } from "vitest";
import { redialDelayMs } from "./redial-delay.ts";

const lowest = { fill: (bytes: Uint8Array<ArrayBuffer>) => bytes.fill(0) };
const highest = { fill: (bytes: Uint8Array<ArrayBuffer>) => bytes.fill(255) };

describe("redialDelayMs", () => {
  it("doubles from the base to the cap", () => {
    expect([0, 1, 2, 5, 6, 1_000].map((failures) => redialDelayMs(failures, highest))).toEqual([
      100, 200, 400, 3_200, 5_000, 5_000,
    ]);
  });

  it("is random within the upper half", () => {
    expect([0, 6].map((failures) => redialDelayMs(failures, lowest))).toEqual([50, 2_500]);
  });
});
