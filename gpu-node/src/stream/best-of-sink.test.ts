import { describe, expect, it } from "vitest";
import { NO_COUNTS } from "../usage/live-counts.ts";
import { BestOfSink } from "./best-of-sink.ts";
import type { AnswerSink, StreamEnd } from "./token-stream.ts";

const END: StreamEnd = {
  requestId: "r",
  reason: "length",
  error: null,
  promptTokens: 3,
  counts: { ...NO_COUNTS, outputTokens: 6 },
};

/** Feeds three answers with these log-probabilities per token and gives what comes out. */
function run(given: number, scores: readonly (readonly number[])[], end = END) {
  const said: unknown[] = [];
  const sink: AnswerSink = {
    tokens: ({ choice, tokenCount, text, logprobs }) =>
      said.push([choice, text, tokenCount, logprobs?.length]),
    choiceEnded: ({ choice, reason }) => said.push([choice, reason]),
    ended: ({ reason, counts }) => said.push([reason, counts.outputTokens]),
  };
  const best = new BestOfSink(sink, { given, hasLogprobs: given > 1 });
  for (const [choice, logprobs] of scores.entries()) {
    for (const [fromToken, logprob] of logprobs.entries()) {
      const text = String.fromCharCode(97 + choice);
      const entry = { token: text, logprob, bytes: [], top_logprobs: [] };
      best.tokens({ requestId: "r", choice, fromToken, tokenCount: 1, text, logprobs: [entry] });
    }
    best.choiceEnded({ requestId: "r", choice, reason: choice === 1 ? "stop" : "length" });
  }
  best.ended(end);
  return said;
}

describe("BestOfSink", () => {
  it("lets out the answer with the largest log-probability per token, not in sum", () => {
    expect(run(1, [[-2], [-1, -1, -1], [-1.5, -1]])).toEqual([
      [undefined, "bbb", 3, undefined],
      ["stop", 6],
    ]);
  });

  it("lets several out, best first, numbered anew, the earlier one of a tie first", () => {
    expect(run(2, [[-3], [-1], [-1]])).toEqual([
      [0, "b", 1, 1],
      [0, "stop"],
      [1, "c", 1, 1],
      [1, "length"],
      ["length", 6],
    ]);
  });

  it("says nothing but the end when the request failed", () => {
    expect(run(1, [[-1], [], []], { ...END, reason: "cancelled" })).toEqual([["cancelled", 6]]);
  });
});
