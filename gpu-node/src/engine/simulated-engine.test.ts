// What only the simulated engine promises: time and repeatable tokens. What every engine promises is tested by the
// conformance suite in test/conformance.
import { describe, expect, it } from "vitest";
import { Scheduler } from "../scheduler/scheduler.ts";
import { stepCapacityFor } from "../scheduler/scheduler-parts.ts";
import { StepCycle } from "../scheduler/step.ts";
import { engineRequest } from "../scheduler/testing/engine-request.ts";
import { SimulatedEngine } from "./simulated-engine.ts";
import { PLAN_HEADER, RESULT_HEADER, STEP_LAYOUT_VERSION, type PlanViews } from "./step-layout.ts";
import { YI_34B } from "./testing/cost-models.ts";
import { VirtualClock } from "./virtual-clock.ts";

const SLOTS = 4;

function setUp(stepBudgetTokens: number, windows: readonly (number | null)[] = [null]) {
  const clock = new VirtualClock();
  const engine = new SimulatedEngine({
    clock,
    cost: YI_34B,
    vocabSize: 1_000,
    contextTokens: 4_096,
    pageCount: 1_024,
    slotCount: SLOTS,
    kvGroups: windows.map((windowTokens) => ({ layers: 1, windowTokens })),
    capacity: stepCapacityFor({
      slotCount: SLOTS,
      stepBudgetTokens,
      kvGroupCount: windows.length,
    }),
  });
  const scheduler = new Scheduler({ info: engine.info, clock, stepBudgetTokens });
  return { clock, engine, scheduler, steps: new StepCycle(scheduler, engine) };
}

/** Tokens of each request when all are served with this budget. */
async function serve(
  stepBudgetTokens: number,
  prompts: readonly (readonly number[])[],
  windows?: readonly (number | null)[],
) {
  const { engine, scheduler, steps, clock } = setUp(stepBudgetTokens, windows);
  const tokens = new Map<string, number[]>();
  prompts.forEach((promptTokens, index) => {
    tokens.set(`req_${index}`, []);
    const fields = { promptTokens, maxOutputTokens: 12 };
    expect(scheduler.submit(engineRequest(`req_${index}`, fields))).toBeNull();
  });
  while (scheduler.hasWork) {
    while (steps.inFlightCount < 2 && steps.start());
    const outcome = await engine.waitStep({ timeoutMs: 1e6 });
    if (outcome.state !== "done") throw new Error("timeout");
    for (const { requestId, newTokens } of steps.settle(outcome.result)) {
      tokens.get(requestId)?.push(...newTokens);
    }
  }
  scheduler.checkIntegrity();
  return { tokens, endUs: clock.nowUs };
}

describe("SimulatedEngine", () => {
  it("says the same for all budgets with windows, whose pages come and go, and something else without", async () => {
    const prompts = [70, 150].map((length) => Array.from({ length }, (_, index) => 1 + index));
    const windows = [null, 40];
    const { tokens } = await serve(512, prompts, windows);
    for (const budget of [16, 48, 100]) {
      expect((await serve(budget, prompts, windows)).tokens).toEqual(tokens);
    }
    expect((await serve(512, prompts)).tokens).not.toEqual(tokens);
  });

  it("says what its cost model says a step takes", async () => {
    const { engine, scheduler, steps, clock } = setUp(512);
    scheduler.submit(engineRequest("req_a", { promptLength: 500, maxOutputTokens: 8 }));
    steps.start();
    expect(clock.nowUs).toBe(0);
    const first = await engine.waitStep({ timeoutMs: 1_000 });
    if (first.state !== "done") throw new Error("timeout");
    // 500 tokens at 168 us, the knee of 6 ms, and 500 * 250 pairs at 4.6 ns.
    expect(first.result.header[RESULT_HEADER.computeUs]).toBe(90_575);
    expect([clock.nowUs, clock.nowMs()]).toEqual([90_575, 90]);
    steps.settle(first.result);
    steps.start();
    await engine.waitStep({ timeoutMs: 1_000 });
    // One decode: the floor of 42 ms, 200 us, and 501 positions at 90 ns.
    expect(clock.nowUs).toBe(90_575 + 42_245);
  });

  it("runs two steps in flight one after the other, and a wait no longer than it may", async () => {
    const { engine, scheduler, steps, clock } = setUp(512);
    scheduler.submit(engineRequest("req_a", { promptLength: 500, maxOutputTokens: 8 }));
    steps.start();
    steps.start();
    expect(await engine.waitStep({ timeoutMs: 90 })).toEqual({ state: "timeout" });
    expect(clock.nowUs).toBe(90_000);
    await engine.waitStep({ timeoutMs: 90 });
    expect(clock.nowUs).toBe(90_575);
    await engine.waitStep({ timeoutMs: 90 });
    expect(clock.nowUs).toBe(132_820);
  });

  it("says the same whatever the budget, and other prompts get other answers", async () => {
    const prompts = [300, 40, 7, 1_000, 513, 90].map((length, seed) =>
      Array.from({ length }, (_, index) => (index * 7 + seed) % 997),
    );
    const whole = await serve(65_536, prompts);
    expect(whole.tokens.get("req_0")).toHaveLength(12);
    expect(new Set([...whole.tokens.values()].map(String)).size).toBe(6);
    for (const budget of [1, 17, 512]) {
      const chunked = await serve(budget, prompts);
      expect(chunked.tokens).toEqual(whole.tokens);
      expect(chunked.endUs).toBeGreaterThan(0);
    }
  });

  it("repeats to the microsecond", async () => {
    const prompts = [[1, 2, 3], Array.from({ length: 700 }, () => 5)];
    expect(await serve(64, prompts)).toEqual(await serve(64, prompts));
  });

  it.each([
    ["a biased token outside the vocabulary", 6, (p: PlanViews) => (p.bias_token[0] = 1_000)],
    ["a bias without a value", 8, (p: PlanViews) => (p.bias_value[0] = NaN)],
    ["a bias of a slot that does not exist", 3, (p: PlanViews) => (p.bias_slot[0] = SLOTS)],
    ["min_p above 1", 8, (p: PlanViews) => (p.sampling_min_p[0] = 1.5)],
    ["a negative repetition penalty", 8, (p: PlanViews) => (p.sampling_repetition_penalty[0] = -1)],
    ["too many likeliest tokens", 8, (p: PlanViews) => (p.sampling_top_logprobs[0] = 21)],
  ])("refuses a plan with %s", async (_what, status, edit) => {
    const { engine } = setUp(16);
    const plan = engine.acquirePlan();
    plan.header.set([STEP_LAYOUT_VERSION, 1]);
    plan.header[PLAN_HEADER.samplingUpdates] = 1;
    plan.header[PLAN_HEADER.biasUpdates] = 1;
    plan.sampling_top_p[0] = 1;
    edit(plan);
    engine.submitStep(plan);
    const outcome = await engine.waitStep({ timeoutMs: 1 });
    if (outcome.state !== "done") throw new Error("timeout");
    const { header } = outcome.result;
    expect([header[RESULT_HEADER.status], header[RESULT_HEADER.badRow]]).toEqual([status, 0]);
  });

  it("takes no step once it is closed", async () => {
    const { engine } = setUp(16);
    const plan = engine.acquirePlan();
    await engine.close();
    expect(() => engine.submitStep(plan)).toThrow("closed");
  });
});

describe("VirtualClock", () => {
  it("moves forward only", () => {
    const clock = new VirtualClock();
    clock.advanceTo(2_500);
    clock.advanceTo(1_000);
    expect([clock.nowUs, clock.nowMs()]).toEqual([2_500, 2]);
    expect(() => clock.advanceTo(NaN)).toThrow("cannot move");
  });
});
