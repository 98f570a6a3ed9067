import { hash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { AdmissionMode, RequestProgress } from "../engine/worker-messages.ts";
import { Scheduler } from "./scheduler.ts";
import { StepCycle } from "./step.ts";
import { engineRequest, type RequestFields } from "./testing/engine-request.ts";
import { outputAlone } from "./testing/next-token.ts";
import type { CheckEngineOptions } from "./testing/check-engine-info.ts";
import { PagedCheckEngine } from "./testing/paged-check-engine.ts";

/** A scheduler over the check engine with pages of four tokens, stepped by hand. */
function setUp(options: CheckEngineOptions = {}, admission: AdmissionMode = "strict") {
  const engine = new PagedCheckEngine({ stepBudgetTokens: 32, ...options });
  const scheduler = new Scheduler({
    info: engine.info,
    clock: { nowMs: () => 0 },
    stepBudgetTokens: 32,
    admission,
    prefixCache: {
      model: { modelDigest: "model", ropeConfig: "rope" },
      sha256: (bytes) => hash("sha256", bytes, "base64"),
    },
  });
  const steps = new StepCycle(scheduler, engine);
  const submit = (forkCount: number, fields: RequestFields = {}) => {
    const forks = Array.from({ length: forkCount }, (_, index) => {
      return { requestId: `a#${index + 1}`, seedLow: 11 + index, seedHigh: 0 };
    });
    const sampling = { temperature: 1, topP: 1, topK: 0, seedLow: 10, seedHigh: 0 };
    return scheduler.submit(engineRequest("a", { sampling, forks, tenantSalt: "t", ...fields }));
  };
  const step = (): RequestProgress[] => {
    if (!steps.start()) return [];
    const progress = steps.settle(engine.takeResult());
    scheduler.checkIntegrity();
    return progress;
  };
  return { engine, scheduler, steps, submit, step };
}

function say(progress: readonly RequestProgress[]): string[] {
  return progress.map(({ requestId, counts, end }) => {
    const { cachedTokens, computedPromptTokens, outputTokens } = counts;
    const ending = end === null ? "" : ` ${end.error?.code ?? end.reason}`;
    return `${requestId} ${cachedTokens}+${computedPromptTokens}/${outputTokens}${ending}`;
  });
}

describe("forks", () => {
  it("compute the prompt once, then its last token each, and answer by their own seeds", () => {
    const { engine, submit, step, scheduler } = setUp();
    expect(submit(2, { promptLength: 10, maxOutputTokens: 3 })).toBeNull();
    expect(say(step())).toEqual(["a 0+10/1"]);
    // Two full pages are shared, the third is each one's own: 13 positions take 4 pages.
    expect(scheduler.parts.pool.usedCount).toBe(4 + 2 + 2);
    const said = [step(), step(), step()];
    expect(said.map(say)).toEqual([
      ["a 0+10/2", "a#1 9+1/1", "a#2 9+1/1"],
      ["a 0+10/3 length", "a#1 9+1/2", "a#2 9+1/2"],
      ["a#1 9+1/3 length", "a#2 9+1/3 length"],
    ]);
    const prompt = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
    for (const [requestId, salt] of [
      ["a#1", 11],
      ["a#2", 12],
    ] as const) {
      const tokens = said.flat().filter((item) => item.requestId === requestId);
      const alone = outputAlone(prompt, { count: 3, vocabSize: 1_000, salt });
      expect(tokens.flatMap(({ newTokens }) => newTokens)).toEqual(alone);
    }
    expect(engine.hostTokensComputed).toBe(12);
    expect(scheduler.load).toMatchObject({ running: 0, pagesFree: 64 });
  });

  it("answer the same where layers see a window, whose pages the prompt's request has given back", () => {
    const { submit, step, scheduler } = setUp({ windows: [null, 6], contextTokens: 80 });
    expect(submit(2, { promptLength: 50, maxOutputTokens: 9 })).toBeNull();
    const said: RequestProgress[] = [];
    while (scheduler.hasWork) said.push(...step());
    const prompt = Array.from({ length: 50 }, (_, index) => index + 1);
    for (const [index, requestId] of ["a", "a#1", "a#2"].entries()) {
      const tokens = said.filter((item) => item.requestId === requestId);
      const alone = outputAlone(prompt, { count: 9, vocabSize: 1_000, salt: 10 + index });
      expect(tokens.flatMap(({ newTokens }) => newTokens)).toEqual(alone);
    }
    expect(scheduler.load.pagesFree).toBe(64);
  });

  it("share nothing when sampling reads the history", () => {
    const greedy = { temperature: 0, topP: 1, topK: 0, seedLow: 0, seedHigh: 0 };
    const sampling = { ...greedy, presencePenalty: 1 };
    const { submit, step } = setUp();
    submit(1, { promptLength: 10, maxOutputTokens: 1, sampling });
    expect(say([...step(), ...step()])).toEqual(["a 0+10/1 length", "a#1 0+10/1 length"]);
  });

  it("join with their request or not at all, and nobody passes them", () => {
    const { submit, step, scheduler } = setUp({ slotCount: 3 });
    scheduler.submit(engineRequest("first", { maxOutputTokens: 2 }));
    step();
    submit(2, { maxOutputTokens: 1 });
    scheduler.submit(engineRequest("last", { maxOutputTokens: 1 }));
    // Two of three slots are free.
    expect(say(step())).toEqual(["first 0+4/2 length"]);
    expect(say(step())).toEqual(["a 0+4/1 length"]);
    expect(scheduler.load).toMatchObject({ running: 2, waiting: 1 });
    expect(say(step()).slice(0, 2)).toEqual(["a#1 3+1/1 length", "a#2 3+1/1 length"]);
  });

  it("are refused when slots or pages can never be had, naming the bound", () => {
    const { submit } = setUp({ slotCount: 3, pageCount: 8 });
    expect(submit(3)).toEqual({
      code: "invalid_value",
      message: "This node computes at most 3 answers at once, 4 were asked for.",
      param: "n",
    });
    // 16 + 4 positions: 5 pages, and 2 more for each fork, which shares 3.
    expect(submit(2, { promptLength: 16, maxOutputTokens: 4 })).toMatchObject({
      code: "context_length_exceeded",
      param: "n",
    });
    expect(submit(1, { promptLength: 16, maxOutputTokens: 4 })).toBeNull();
  });

  it("end with their request in the queue, each once", () => {
    const { submit, step, scheduler } = setUp({ slotCount: 2 });
    scheduler.submit(engineRequest("first"));
    step();
    submit(1);
    const ended = scheduler.cancel(["a", "a#1"]);
    expect(say(ended)).toEqual(["a 0+0/0 cancelled", "a#1 0+0/0 cancelled"]);
    submit(1);
    expect(say(scheduler.endAll({ code: "draining", message: "", param: null }))).toEqual([
      "a 0+0/0 draining",
      "a#1 0+0/0 draining",
      "first 0+4/1 draining",
    ]);
    expect(scheduler.hasWork).toBe(false);
  });

  it("compute the prompt themselves when their request leaves before it has", () => {
    const { submit, step, scheduler } = setUp({ stepBudgetTokens: 32 });
    submit(2, { promptLength: 40, maxOutputTokens: 1 });
    expect(say(step())).toEqual(["a 0+32/0"]);
    expect(say(scheduler.cancel(["a"]))).toEqual(["a 0+32/0 cancelled"]);
    scheduler.checkIntegrity();
    // Of the 39 positions that were to be shared 32 are in the cache; the rest is counted as computed again.
    expect(say([...step(), ...step()])).toEqual(["a#1 39+1/1 length", "a#2 39+1/1 length"]);
    expect(scheduler.hasWork).toBe(false);
  });

  it("grow and give way one by one under optimistic admission", () => {
    const { submit, step, scheduler } = setUp({ pageCount: 10 }, "optimistic");
    expect(submit(2, { promptLength: 6, maxOutputTokens: 8 })).toBeNull();
    scheduler.submit(engineRequest("other", { maxOutputTokens: 8 }));
    const all: RequestProgress[] = [];
    for (let count = 0; scheduler.hasWork && count < 60; count++) all.push(...step());
    const ends = all.filter(({ end }) => end !== null);
    expect(ends.map(({ requestId, end }) => `${requestId} ${end?.reason}`).sort()).toEqual([
      "a length",
      "a#1 length",
      "a#2 length",
      "other length",
    ]);
    expect(scheduler.preemptions.recomputeCount).toBeGreaterThan(0);
    expect(scheduler.load.pagesFree).toBe(10);
  });
});
