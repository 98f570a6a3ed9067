import { describe, expect, it } from "vitest";
import { BlockTable } from "../memory/block-table.ts";
import { engineRequest } from "../scheduler/testing/engine-request.ts";
import { abort, finish, joinRunning, startDecoding, type QueuedRequest } from "./request.ts";
import { progressOf } from "./request-progress.ts";

const queued: QueuedRequest = {
  state: "queued",
  spec: engineRequest("req_1", { promptLength: 3 }),
  outputTokensMax: 8,
  latestStartMs: 0,
};
const place = { slot: 2, blocks: new BlockTable(16), scheduledAtMs: 42 };

describe("Request", () => {
  it("reports a queued request's end with nothing computed and never scheduled", () => {
    expect(progressOf(abort(queued, null), [])).toEqual({
      requestId: "req_1",
      newTokens: [],
      counts: { promptTokens: 3, cachedTokens: 0, computedPromptTokens: 0, outputTokens: 0 },
      scheduledAtMs: null,
      end: { reason: "cancelled", error: null },
    });
  });

  it("reports what a running request computed, then how it ended", () => {
    const running = joinRunning(queued, place);
    running.computedPromptTokens = 3;
    running.outputTokens = 1;
    startDecoding(running);
    expect(progressOf(running, [9])).toEqual({
      requestId: "req_1",
      newTokens: [9],
      counts: { promptTokens: 3, cachedTokens: 0, computedPromptTokens: 3, outputTokens: 1 },
      scheduledAtMs: 42,
      end: null,
    });
    running.outputTokens = 2;
    expect(progressOf(finish(running, "stop"), [])).toMatchObject({
      counts: { outputTokens: 2 },
      end: { reason: "stop", error: null },
    });
  });

  it("keeps the counts of the moment of the end", () => {
    const running = joinRunning(queued, place);
    running.computedPromptTokens = 2;
    const error = { code: "internal_error", message: "broken", param: null } as const;
    const ended = abort(running, error);
    running.computedPromptTokens = 3;
    expect(progressOf(ended, [])).toMatchObject({
      counts: { computedPromptTokens: 2, outputTokens: 0 },
      end: { reason: "error", error: { code: "internal_error", message: "broken", param: null } },
    });
  });

  it("asserts that only a computed prompt with a token decodes", () => {
    const message = "req_1 decodes at 0 prompt and 0 output tokens";
    expect(() => startDecoding(joinRunning(queued, place))).toThrow(message);
  });

  it("asserts that a request finishes with output only", () => {
    expect(() => finish(joinRunning(queued, place), "length")).toThrow("finishes without output");
  });
});
