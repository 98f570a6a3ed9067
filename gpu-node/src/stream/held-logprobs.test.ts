import { describe, expect, it } from "vitest";
import { HeldLogprobs } from "./held-logprobs.ts";

const bytesOf = new Map([
  [1, [97, 98]],
  [2, [0xc3]],
  [3, [0xa9]],
]);

function held(): HeldLogprobs {
  return new HeldLogprobs((token) => Uint8Array.from(bytesOf.get(token) ?? []));
}

describe("HeldLogprobs", () => {
  it("writes text, bytes and the likeliest tokens; what cannot be is -9999", () => {
    const line = held();
    const top = [
      { token: 3, logprob: -0.25 },
      { token: 1, logprob: -Infinity },
    ];
    line.push(1, { logprob: -1.5, top }, { from: 0, until: 2 });
    expect(line.release(2)).toEqual([
      {
        token: "ab",
        logprob: -1.5,
        bytes: [97, 98],
        top_logprobs: [
          { token: "\ufffd", logprob: -0.25, bytes: [0xa9] },
          { token: "ab", logprob: -9999, bytes: [97, 98] },
        ],
      },
    ]);
    expect(line.release(2)).toEqual([]);
  });

  it("holds a token until its text is out, part of a character until the character is", () => {
    const line = held();
    line.push(1, { logprob: -1, top: [] }, { from: 0, until: 2 });
    line.push(2, { logprob: -2, top: [] }, { from: 2, until: 2 });
    line.push(3, { logprob: -3, top: [] }, { from: 2, until: 3 });
    expect(line.release(1)).toEqual([]);
    expect(line.release(2).map(({ logprob }) => logprob)).toEqual([-1]);
    expect(line.release(3).map(({ logprob }) => logprob)).toEqual([-2, -3]);
  });

  it("forgets, at a stop, what has no part in the text that is out", () => {
    const line = held();
    line.push(1, { logprob: -1, top: [] }, { from: 0, until: 2 });
    line.push(1, { logprob: -2, top: [] }, { from: 2, until: 4 });
    line.push(1, { logprob: -3, top: [] }, { from: 4, until: 6 });
    expect(line.releaseLast(3).map(({ logprob }) => logprob)).toEqual([-1, -2]);
    expect(line.releaseAll()).toEqual([]);
  });
});
