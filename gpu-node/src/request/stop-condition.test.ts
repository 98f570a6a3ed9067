import { describe, expect, it } from "vitest";
import { decodingRequest, engineRequest } from "../scheduler/testing/engine-request.ts";
import type { RunningRequest } from "./request.ts";
import { outputTokensMaxOf, stopReason } from "./stop-condition.ts";

function decoding(outputTokens: number): RunningRequest {
  const spec = engineRequest("req_1", { stopTokenIds: [2, 7] });
  return { ...decodingRequest(4, outputTokens), spec, outputTokensMax: 3 };
}

describe("stopReason", () => {
  it("goes on below the maximum, ends with length at it", () => {
    expect(stopReason(decoding(2), 5)).toBeNull();
    expect(stopReason(decoding(3), 5)).toBe("length");
  });

  it("ends with stop on any stop token, also as the last token allowed", () => {
    expect(stopReason(decoding(1), 7)).toBe("stop");
    expect(stopReason(decoding(3), 2)).toBe("stop");
  });
});

describe("outputTokensMaxOf", () => {
  it("cuts the asked maximum to what the context leaves", () => {
    expect(outputTokensMaxOf({ askedTokens: 10, promptTokens: 50, contextTokens: 64 })).toBe(10);
    expect(outputTokensMaxOf({ askedTokens: 20, promptTokens: 50, contextTokens: 64 })).toBe(14);
    expect(outputTokensMaxOf({ askedTokens: 20, promptTokens: 64, contextTokens: 64 })).toBe(0);
  });
});
