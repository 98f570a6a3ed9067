import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { RequestProgress } from "../engine/worker-messages.ts";
import { raiseGrants } from "../request/output-grant.ts";
import { Scheduler } from "./scheduler.ts";
import { measureStepCost, type StepBytes } from "./step.bench.ts";
import { StepCycle } from "./step.ts";
import type { StepTarget } from "./step-budget.ts";
import type { StepCostModel } from "./step-cost-model.ts";
import { StepPredictor } from "./step-predictor.ts";
import { engineRequest, type RequestFields } from "./testing/engine-request.ts";
import { outputAlone } from "./testing/next-token.ts";
import type { CheckEngineOptions } from "./testing/check-engine-info.ts";
import { PagedCheckEngine } from "./testing/paged-check-engine.ts";

const NO_COST: StepCostModel = {
  floorUs: 0,
  baseUs: 0,
  tokenUs: 0,
  kneeTokens: 0,
  kneeUs: 0,
  decodeUs: 0,
  contextUs: 0,
  pairUs: 0,
};

/** A scheduler over the check engine, stepped by hand. */
function setUp(options: CheckEngineOptions = {}, stepTarget: StepTarget | null = null) {
  const engine = new PagedCheckEngine(options);
  const clock = { now: 0, nowMs: () => clock.now };
  const { stepBudgetTokens = 16 } = options;
  const scheduler = new Scheduler({ info: engine.info, clock, stepBudgetTokens, stepTarget });
  const steps = new StepCycle(scheduler, engine);
  const submit = (id: string, fields?: RequestFields) =>
    scheduler.submit(engineRequest(id, fields));
  /** One whole step; null when there is nothing to do. */
  const step = (): RequestProgress[] | null => {
    if (!steps.start()) return null;
    return steps.settle(engine.takeResult());
  };
  const runToEnd = (): RequestProgress[] => {
    const all: RequestProgress[] = [];
    for (let progress = step(); progress !== null; progress = step()) all.push(...progress);
    return all;
  };
  return { engine, clock, scheduler, steps, submit, step, runToEnd };
}

function say(progress: readonly RequestProgress[] | null): string[] {
  return (progress ?? []).map(({ requestId, newTokens, counts, end }) => {
    const ending = end === null ? "" : ` ${end.error?.code ?? end.reason}`;
    return `${requestId} +${newTokens.length} ${counts.computedPromptTokens}/${counts.outputTokens}${ending}`;
  });
}

function tokensOf(progress: readonly RequestProgress[], requestId: string): number[] {
  return progress
    .filter((item) => item.requestId === requestId)
    .flatMap((item) => [...item.newTokens]);
}

describe("StepCycle", () => {
  it("computes a prompt in chunks, then one token a step, to the output maximum", () => {
    const { submit, step, scheduler } = setUp({ stepBudgetTokens: 6 });
    submit("a", { promptLength: 10, maxOutputTokens: 3 });
    expect(say(step())).toEqual(["a +0 6/0"]);
    expect(say(step())).toEqual(["a +1 10/1"]);
    expect(say(step())).toEqual(["a +1 10/2"]);
    expect(say(step())).toEqual(["a +1 10/3 length"]);
    expect(step()).toBeNull();
    expect(scheduler.load).toMatchObject({ running: 0, waiting: 0, pagesFree: 64 });
  });

  it("says the same whatever shares the batch, the budget and the pages", () => {
    const prompts = { a: [5, 6, 7], b: [9, 9, 9, 9, 9, 9, 9, 9, 9], c: [1], d: [4, 2] };
    for (const stepBudgetTokens of [1, 3, 64]) {
      const { submit, runToEnd } = setUp({ stepBudgetTokens, slotCount: 3, pageCount: 12 });
      for (const [id, promptTokens] of Object.entries(prompts)) {
        submit(id, { promptTokens, maxOutputTokens: 6 });
      }
      const progress = runToEnd();
      for (const [id, prompt] of Object.entries(prompts)) {
        const alone = outputAlone(prompt, { count: 6, vocabSize: 1_000, salt: 0 });
        expect(tokensOf(progress, id)).toEqual(alone);
      }
    }
  });

  it("ends with stop at a stop token, which is counted and not listed", () => {
    const [first = -1, second = -1] = outputAlone([1, 2, 3, 4], {
      count: 2,
      vocabSize: 1_000,
      salt: 0,
    });
    const { submit, step } = setUp();
    submit("a", { stopTokenIds: [second] });
    expect(step()).toMatchObject([{ newTokens: [first], end: null }]);
    expect(step()).toMatchObject([
      { newTokens: [], counts: { outputTokens: 2 }, end: { reason: "stop", error: null } },
    ]);
  });

  it("ends with length at what is granted, and goes on when more is granted before", () => {
    const { submit, step, runToEnd, scheduler } = setUp();
    submit("a", { maxOutputTokens: 6, grant: { tokens: 2 } });
    submit("b", { maxOutputTokens: 6, grant: { tokens: 2 } });
    step();
    raiseGrants(scheduler.parts.table, ["a", "unknown"], { tokens: 4 });
    // A smaller number changes nothing.
    raiseGrants(scheduler.parts.table, ["a"], { tokens: 3 });
    const progress = runToEnd();
    expect(say(progress).filter((line) => line.includes("length"))).toEqual([
      "b +1 4/2 length",
      "a +1 4/4 length",
    ]);
  });

  it("waits at the end of a grant that may grow, and goes on as if nothing had been", () => {
    const { submit, step, runToEnd, scheduler, clock } = setUp();
    const grant = { tokens: 2, mayGrow: true };
    submit("a", { maxOutputTokens: 6, grant });
    submit("b", { maxOutputTokens: 4 });
    expect(say(runToEnd())).toContain("b +1 4/4 length");
    clock.now = 9_999;
    expect([step(), scheduler.load.running]).toEqual([null, 1]);
    raiseGrants(scheduler.parts.table, ["a"], { tokens: 4, mayGrow: true });
    const more = runToEnd();
    expect(say(more)).toEqual(["a +1 4/3", "a +1 4/4"]);
    raiseGrants(scheduler.parts.table, ["a"], { tokens: 6 });
    const rest = runToEnd();
    expect(say(rest).at(-1)).toBe("a +1 4/6 length");
    const alone = outputAlone([1, 2, 3, 4], { count: 6, vocabSize: 1_000, salt: 0 });
    expect(tokensOf([...more, ...rest], "a")).toEqual(alone.slice(2));
    scheduler.checkIntegrity();
  });

  it("ends what waits for its grant when no more is to come, when it is cancelled, or after ten seconds", () => {
    const { submit, runToEnd, scheduler, steps, clock } = setUp();
    for (const id of ["told", "cancelled", "late"]) {
      submit(id, { maxOutputTokens: 6, grant: { tokens: 2, mayGrow: true } });
    }
    runToEnd();
    clock.now = 9_000;
    expect(say(steps.endUngranted())).toEqual([]);
    raiseGrants(scheduler.parts.table, ["told"], { tokens: 2 });
    expect(say(steps.endUngranted())).toEqual(["told +0 4/2 length"]);
    expect(say(scheduler.cancel(["cancelled"]))).toEqual(["cancelled +0 4/2 cancelled"]);
    clock.now = 10_000;
    expect(say(steps.endUngranted())).toEqual(["late +0 4/2 length"]);
    expect([scheduler.load.pagesFree, scheduler.parts.grantWaits.count]).toEqual([64, 0]);
  });

  it("takes no pages from what waits for its grant: who lacks them pauses itself until it is over", () => {
    const { submit, runToEnd, scheduler, steps, clock } = setUp({ pageCount: 3 });
    submit("oldest", { maxOutputTokens: 6 }); // 3 pages in the end
    submit("waits", { maxOutputTokens: 6, grant: { tokens: 1, mayGrow: true } }); // 1 page
    expect(say(runToEnd()).filter((line) => line.startsWith("waits"))).toEqual(["waits +1 4/1"]);
    expect(scheduler.load).toMatchObject({ running: 1, waiting: 1 });
    clock.now = 10_000;
    expect(say(steps.endUngranted())).toEqual(["waits +0 4/1 length"]);
    expect(say(runToEnd()).at(-1)).toBe("oldest +1 4/6 length");
  });

  it("lets all answers to a prompt have what is granted to one of them", () => {
    const { submit, step, runToEnd, scheduler } = setUp();
    const fork = { requestId: "a#1", seedLow: 1, seedHigh: 0 };
    submit("a", { maxOutputTokens: 6, grant: { tokens: 2 }, forks: [fork] });
    step();
    raiseGrants(scheduler.parts.table, ["a#1"], { tokens: 9 });
    const ends = runToEnd().filter(({ end }) => end !== null);
    expect(ends.map(({ counts }) => counts.outputTokens)).toEqual([6, 6]);
  });

  it("ends with length at the context's end", () => {
    const { submit, runToEnd } = setUp({ contextTokens: 12 });
    submit("a", { promptLength: 9, maxOutputTokens: 100 });
    expect(say(runToEnd()).at(-1)).toBe("a +1 9/3 length");
  });

  it("joins in order and lets the head wait for pages, never skipping it", () => {
    const { submit, step, scheduler } = setUp({ pageCount: 4, stepBudgetTokens: 32 });
    submit("a", { promptLength: 4, maxOutputTokens: 2 }); // 2 pages
    submit("b", { promptLength: 12, maxOutputTokens: 1 }); // 4 pages: not beside a
    submit("c", { promptLength: 1, maxOutputTokens: 1 }); // 1 page: would fit, waits behind b
    expect(say(step())).toEqual(["a +1 4/1"]);
    expect(say(step())).toEqual(["a +1 4/2 length"]);
    expect(say(step())).toEqual(["b +1 12/1 length"]);
    expect(say(step())).toEqual(["c +1 1/1 length"]);
    scheduler.checkIntegrity();
  });

  it("keeps decodes going in every step while long prompts are computed", () => {
    const { submit, step } = setUp({ stepBudgetTokens: 8 });
    submit("a", { promptLength: 2, maxOutputTokens: 6 });
    step();
    submit("b", { promptLength: 30, maxOutputTokens: 1 });
    const steps = [step(), step(), step(), step(), step()].map(say);
    expect(steps).toEqual([
      ["a +1 2/2", "b +0 7/0"],
      ["a +1 2/3", "b +0 14/0"],
      ["a +1 2/4", "b +0 21/0"],
      ["a +1 2/5", "b +0 28/0"],
      ["a +1 2/6 length", "b +1 30/1 length"],
    ]);
  });

  it("counts what the step in flight computed for a request cancelled meanwhile", () => {
    const { submit, step, steps, scheduler, engine } = setUp({ stepBudgetTokens: 6 });
    submit("a", { promptLength: 10 });
    step();
    steps.start();
    expect(scheduler.cancel(["a"])).toEqual([]);
    expect(scheduler.load.pagesFree).toBe(61);
    expect(say(steps.settle(engine.takeResult()))).toEqual(["a +1 10/1 cancelled"]);
    expect(scheduler.load.pagesFree).toBe(64);
    expect([engine.hostTokensComputed, engine.tokensSampled]).toEqual([10, 1]);
    expect(step()).toBeNull();
  });

  it("ends a cancelled prefill with its chunk, and a queued request at once", () => {
    const { submit, step, steps, scheduler, engine } = setUp({ stepBudgetTokens: 6 });
    submit("a", { promptLength: 5, maxOutputTokens: 2 });
    submit("b", { promptLength: 9 });
    submit("c", { promptLength: 9 });
    expect(say(step())).toEqual(["a +1 5/1", "b +0 1/0"]);
    steps.start(); // a's decode and five more tokens of b; c still waits
    scheduler.cancel(["b"]);
    expect(say(scheduler.cancel(["c", "unknown"]))).toEqual(["c +0 0/0 cancelled"]);
    expect(say(steps.settle(engine.takeResult()))).toEqual([
      "a +1 5/2 length",
      "b +0 6/0 cancelled",
    ]);
    expect(scheduler.hasWork).toBe(false);
    scheduler.checkIntegrity();
  });

  it("cancels a running request at once between steps", () => {
    const { submit, step, scheduler } = setUp();
    submit("a");
    step();
    expect(say(scheduler.cancel(["a"]))).toEqual(["a +0 4/1 cancelled"]);
    expect(scheduler.load.pagesFree).toBe(64);
  });

  it("lets a natural end win over a cancel of the same step", () => {
    const { submit, steps, scheduler, engine } = setUp();
    submit("a", { maxOutputTokens: 1 });
    steps.start();
    scheduler.cancel(["a"]);
    expect(say(steps.settle(engine.takeResult()))).toEqual(["a +1 4/1 length"]);
  });

  it("ends queued requests at their deadline, running ones go on", () => {
    const { submit, step, clock, scheduler } = setUp({ slotCount: 1 });
    submit("a", { deadlineMs: 100 });
    submit("b", { deadlineMs: 100, receivedAtMs: 40 });
    step();
    clock.now = 99;
    expect(scheduler.endExpired()).toEqual([]);
    clock.now = 100;
    expect(scheduler.endExpired()).toMatchObject([
      {
        requestId: "b",
        scheduledAtMs: null,
        counts: { computedPromptTokens: 0, outputTokens: 0 },
        end: {
          reason: "error",
          error: {
            code: "queue_timeout",
            message: "The request waited 60 ms in the node's queue and its deadline passed.",
          },
        },
      },
    ]);
    expect(say(step())).toEqual(["a +1 4/2"]);
  });

  it("sheds what cannot have its first token by its deadline, before it is prefilled", () => {
    const model = { ...NO_COST, tokenUs: 1_000 };
    const stepTarget = { us: 16_000, predictor: new StepPredictor(model) };
    const { submit, step, clock, scheduler, engine } = setUp({ slotCount: 1 }, stepTarget);
    // Alone, four tokens take 4 ms.
    expect(submit("a", { deadlineMs: 3 })).toMatchObject({
      code: "queue_timeout",
      message:
        "The deadline is in 3 ms; the first token would take at least 4 ms here, 0 ms of it in the queue.",
    });
    expect(submit("b", { deadlineMs: 5, maxOutputTokens: 2 })).toBeNull();
    step();
    expect(submit("c", { promptLength: 6, deadlineMs: 100 })).toBeNull();
    // Behind c's six tokens.
    expect(submit("d", { deadlineMs: 9 })?.message).toContain(
      "10 ms here, 6 ms of it in the queue",
    );
    expect(submit("e", { deadlineMs: 10 })).toBeNull();
    // A batch request waits behind all others, an interactive one not behind it.
    expect(submit("f", { tier: "batch", deadlineMs: 13 })?.code).toBe("queue_timeout");
    clock.now = 7;
    expect(scheduler.endExpired()).toMatchObject([
      {
        requestId: "e",
        counts: { computedPromptTokens: 0 },
        end: {
          error: {
            code: "queue_timeout",
            message:
              "The request waited 7 ms in the node's queue and its prefill would end after its deadline.",
          },
        },
      },
    ]);
    expect(engine.hostTokensComputed).toBe(4);
  });

  it("refuses what can never fit and what is being served", () => {
    const { submit } = setUp({ pageCount: 3 });
    expect(submit("a", { promptLength: 12, maxOutputTokens: 1 })?.code).toBe(
      "context_length_exceeded",
    );
    expect(submit("a")).toBeNull();
    expect(submit("a")?.code).toBe("already_exists");
  });

  it("tells when the first chunk was scheduled, not when the request came", () => {
    const { submit, step, clock } = setUp({ slotCount: 1 });
    submit("a", { maxOutputTokens: 1 });
    submit("b", { maxOutputTokens: 1 });
    clock.now = 10;
    expect(step()).toMatchObject([{ requestId: "a", scheduledAtMs: 10 }]);
    clock.now = 25;
    expect(step()).toMatchObject([{ requestId: "b", scheduledAtMs: 25 }]);
  });

  it("samples by the request's own seed", () => {
    const sampling = { temperature: 1, topP: 1, topK: 0, seedLow: 5, seedHigh: 0 };
    const { submit, runToEnd } = setUp();
    submit("a", { promptTokens: [3], maxOutputTokens: 4, sampling });
    submit("b", { promptTokens: [3], maxOutputTokens: 4, sampling: { ...sampling, seedLow: 6 } });
    const progress = runToEnd();
    const alone = (salt: number) => outputAlone([3], { count: 4, vocabSize: 1_000, salt });
    expect(tokensOf(progress, "a")).toEqual(alone(5));
    expect(tokensOf(progress, "b")).toEqual(alone(6));
  });
});

describe("Scheduler set-up", () => {
  it("refuses an engine whose plan is too small for the budget", () => {
    const { info } = new PagedCheckEngine({ stepBudgetTokens: 16 });
    const clock = { nowMs: () => 0 };
    expect(() => new Scheduler({ info, clock, stepBudgetTokens: 64 })).toThrow(
      "the engine's step capacity has tokens 16, the scheduler needs 64",
    );
    expect(() => new Scheduler({ info, clock, stepBudgetTokens: 0 })).toThrow("stepBudgetTokens");
  });
});

describe("step.bench", () => {
  it("runs at a tiny size", () => {
    const cost = measureStepCost({ sequences: 3, steps: 5 });
    expect(cost).toMatchObject({ sequences: 3, steps: 5 });
    expect(cost.startUsP50).toBeGreaterThan(0);
  });

  it("allocates for pages and steps, not for tokens", () => {
    const bench = fileURLToPath(new URL("step.bench.ts", import.meta.url));
    const flags = ["--expose-gc", "--max-semi-space-size=256"];
    const said = execFileSync(process.execPath, [...flags, bench, "256", "600"], {
      encoding: "utf8",
    });
    const bytes = JSON.parse(said.trim().split("\n").at(-1) ?? "") as StepBytes;
    // An object a token would be 16 at least, on top of the 15 that pages and steps take.
    expect(bytes.heapBytesPerToken).toBeGreaterThan(0);
    expect(bytes.heapBytesPerToken).toBeLessThan(24);
    // Output tokens are kept in arrays that double: 12 on average, 20 where all double in these steps.
    expect(bytes.bufferBytesPerToken).toBeLessThan(24);
  });
});
