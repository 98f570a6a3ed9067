import { describe, expect, it } from "vitest";
import { stepCapacityFor } from "../scheduler/scheduler-parts.ts";
import { engineRequest } from "../scheduler/testing/engine-request.ts";
import { biasCountOf, biasesOf, readsHistory, writeSamplingUpdate } from "./sampling-columns.ts";
import { layoutBytes, PLAN_COLUMNS, planViews } from "./step-layout.ts";
import type { SamplingParams } from "./worker-messages.ts";

const GREEDY = { temperature: 0, topP: 1, topK: 0, seedLow: 0, seedHigh: 0 };

function request(sampling: Partial<SamplingParams>) {
  return engineRequest("req_1", {
    promptLength: 10,
    stopTokenIds: [2, 3],
    sampling: { ...GREEDY, ...sampling },
  });
}

describe("writeSamplingUpdate", () => {
  it("writes every column, and off values for what is absent", () => {
    const capacity = stepCapacityFor({ slotCount: 2, stepBudgetTokens: 16 });
    const plan = planViews(capacity, new ArrayBuffer(layoutBytes(PLAN_COLUMNS, capacity)));
    const on = {
      minP: 0.25,
      typicalP: 0.5,
      repetitionPenalty: 1.5,
      presencePenalty: -1,
      frequencyPenalty: 2,
      topLogprobs: 5,
    };
    writeSamplingUpdate(plan, 0, request(on));
    writeSamplingUpdate(plan, 1, request({}));
    expect([...plan.sampling_min_p]).toEqual([0.25, 0]);
    expect([...plan.sampling_typical_p]).toEqual([0.5, 1]);
    expect([...plan.sampling_repetition_penalty]).toEqual([1.5, 1]);
    expect([...plan.sampling_presence_penalty]).toEqual([-1, 0]);
    expect([...plan.sampling_frequency_penalty]).toEqual([2, 0]);
    expect([...plan.sampling_prompt_tokens]).toEqual([10, 10]);
    expect([...plan.sampling_top_logprobs]).toEqual([5, 0]);
  });
});

describe("biasesOf", () => {
  it("biases always, and suppresses stop tokens until the minimum is reached", () => {
    const biased = request({ logitBias: [{ token: 9, value: -4 }], minTokens: 3 });
    expect(biasesOf(biased)).toEqual([
      { token: 9, value: -4, untilPosition: 2_147_483_647 },
      // The first output token is sampled from position 9, the fourth from position 12.
      { token: 2, value: -Infinity, untilPosition: 12 },
      { token: 3, value: -Infinity, untilPosition: 12 },
    ]);
    expect(biasCountOf(biased)).toBe(3);
    expect(biasesOf(request({}))).toEqual([]);
    expect(biasCountOf(request({}))).toBe(0);
  });
});

describe("readsHistory", () => {
  it("is true for penalties only", () => {
    expect(readsHistory(request({ minP: 0.5, logitBias: [{ token: 1, value: 1 }] }))).toBe(false);
    expect(readsHistory(request({ repetitionPenalty: 1 }))).toBe(false);
    expect(readsHistory(request({ repetitionPenalty: 1.1 }))).toBe(true);
    expect(readsHistory(request({ presencePenalty: 1 }))).toBe(true);
    expect(readsHistory(request({ frequencyPenalty: -1 }))).toBe(true);
  });
});
