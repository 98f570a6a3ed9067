import { describe, expect, it } from "vitest";
import { stepCapacityFor } from "../scheduler/scheduler-parts.ts";
import { withLogprobs } from "./result-logprobs.ts";
import { layoutBytes, RESULT_COLUMNS, resultViews } from "./step-layout.ts";

const PROGRESS = {
  requestId: "req_1",
  newTokens: [7],
  counts: { promptTokens: 1, cachedTokens: 0, computedPromptTokens: 1, outputTokens: 1 },
  scheduledAtMs: 0,
  end: null,
};

function result() {
  const capacity = stepCapacityFor({ slotCount: 4, stepBudgetTokens: 16 });
  const views = resultViews(capacity, new ArrayBuffer(layoutBytes(RESULT_COLUMNS, capacity)));
  // Row 2 has the second token of the step.
  views.result_offset.set([0, 0, 1]);
  views.result_logprob.set([-9, -0.5]);
  views.result_n_top.set([0, 2]);
  views.result_top_token.set([7, 8], 20);
  views.result_top_logprob.set([-0.5, -2], 20);
  return views;
}

describe("withLogprobs", () => {
  it("adds what the row's token came with", () => {
    expect(withLogprobs(PROGRESS, 2, { result: result(), row: 2 }).logprobs).toEqual([
      {
        logprob: -0.5,
        top: [
          { token: 7, logprob: -0.5 },
          { token: 8, logprob: -2 },
        ],
      },
    ]);
    const alone = withLogprobs(PROGRESS, 0, { result: result(), row: 0 });
    expect(alone.logprobs).toEqual([{ logprob: -9, top: [] }]);
  });

  it("adds nothing when nothing was asked for, or the token is not listed", () => {
    const sample = { result: result(), row: 2 };
    expect(withLogprobs(PROGRESS, undefined, sample)).toBe(PROGRESS);
    const stopped = { ...PROGRESS, newTokens: [] };
    expect(withLogprobs(stopped, 2, sample)).toBe(stopped);
  });
});
