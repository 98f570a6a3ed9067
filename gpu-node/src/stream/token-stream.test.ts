// Shows which log-probabilities leave with which text.
import { describe, expect, it } from "vitest";
import type { RequestProgress } from "../engine/worker-messages.ts";
import { engineRequest } from "../scheduler/testing/engine-request.ts";
import { LETTER_MODEL } from "./testing/letter-model.ts";
import { TokenStream, type TokenDelta } from "./token-stream.ts";

const SAMPLING = { temperature: 0, topP: 1, topK: 0, seedLow: 0, seedHigh: 0, topLogprobs: 0 };

/** What a stream with these stop strings says of letters that come one a step; "." is a stop token. */
function deltas(stopStrings: readonly string[], letters: string): string[] {
  const said: string[] = [];
  const stream = new TokenStream({
    request: engineRequest("r1", { sampling: SAMPLING }),
    detokenizer: LETTER_MODEL.makeDetokenizer(),
    tokenBytes: (token) => LETTER_MODEL.tokenBytes(token),
    stopStrings,
    sink: {
      tokens: ({ text, logprobs = [] }: TokenDelta) =>
        said.push(`${text}:${logprobs.map(({ token }) => token).join("")}`),
      ended: ({ reason }) => said.push(reason),
    },
  });
  for (const [index, letter] of letters.split("").entries()) {
    const isStop = letter === ".";
    const isLast = index === letters.length - 1;
    const token = letter.charCodeAt(0);
    const progress: RequestProgress = {
      requestId: "r1",
      newTokens: isStop ? [] : [token],
      ...(isStop ? {} : { logprobs: [{ logprob: -1, top: [] }] }),
      counts: {
        promptTokens: 4,
        cachedTokens: 0,
        computedPromptTokens: 4,
        outputTokens: index + 1,
      },
      scheduledAtMs: 0,
      end: isLast ? { reason: isStop ? "stop" : "length", error: null } : null,
    };
    stream.deliver(stream.advance(progress, 0));
  }
  return said;
}

describe("log-probabilities of a stream", () => {
  it("leave with their tokens", () => {
    expect(deltas([], "abc")).toEqual(["a:a", "b:b", "c:c", "length"]);
  });

  it("are held back with text that may begin a stop string", () => {
    expect(deltas(["bcx"], "abcd")).toEqual(["a:a", ":", ":", "bcd:bcd", "length"]);
    expect(deltas(["bcx"], "abcxy")).toEqual(["a:a", ":", ":", ":", ":", "stop"]);
  });

  it("leave with the held text when a stop token or the maximum ends the answer", () => {
    expect(deltas(["bcx"], "ab.")).toEqual(["a:a", ":", "b:b", "stop"]);
    expect(deltas(["bcx"], "ab")).toEqual(["a:a", "b:b", "length"]);
  });
});
