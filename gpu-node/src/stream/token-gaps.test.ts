import { describe, expect, it } from "vitest";
import { engineRequest } from "../scheduler/testing/engine-request.ts";
import { LETTER_MODEL } from "./testing/letter-model.ts";
import { TokenGaps } from "./token-gaps.ts";
import { TokenStream } from "./token-stream.ts";

const DEADLINES = { prefillDeadlineUs: 300_000, decodeDeadlineUs: 25_000 };

function stream(receivedAtMs: number): TokenStream {
  return new TokenStream({
    request: engineRequest("r1", { receivedAtMs }),
    detokenizer: LETTER_MODEL.makeDetokenizer(),
    sink: { tokens: () => {}, ended: () => {} },
    stopStrings: [],
    tokenBytes: (token) => LETTER_MODEL.tokenBytes(token),
  });
}

describe("TokenGaps", () => {
  it("counts the first token from the receipt, and has no gap for it", () => {
    const gaps = new TokenGaps(DEADLINES);
    const one = stream(1_000);
    const gapsMs: number[] = [];
    expect(gaps.fluidityOf(one)).toBeNull();
    // Vector H of Metron's test set: 300, 100, 20, 20, 60 ms
    for (const nowMs of [1_300, 1_400, 1_420, 1_440, 1_500]) {
      gaps.note(one, { tokenCount: 1, nowMs }, gapsMs);
    }
    expect(gapsMs).toEqual([100, 20, 20, 60]);
    expect(gaps.fluidityOf(one)).toBeCloseTo(0.333333, 6);
  });

  it("has tokens of one step 0 apart, and forgets nothing over steps without any", () => {
    const gaps = new TokenGaps(DEADLINES);
    const one = stream(0);
    const gapsMs: number[] = [];
    // Vector I: 300, 0, 0, 75, 0, 0, 75 ms
    gaps.note(one, { tokenCount: 3, nowMs: 300 }, gapsMs);
    gaps.note(one, { tokenCount: 0, nowMs: 320 }, gapsMs);
    gaps.note(one, { tokenCount: 3, nowMs: 375 }, gapsMs);
    gaps.note(one, { tokenCount: 1, nowMs: 450 }, gapsMs);
    expect(gapsMs).toEqual([0, 0, 75, 0, 0, 75]);
    expect(gaps.fluidityOf(one)).toBe(1);
  });
});
