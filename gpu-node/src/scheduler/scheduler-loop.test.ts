import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { FromWorker } from "../engine/worker-messages.ts";
import { Scheduler } from "./scheduler.ts";
import { SchedulerLoop } from "./scheduler-loop.ts";
import { engineRequest, type RequestFields } from "./testing/engine-request.ts";
import { outputAlone } from "./testing/next-token.ts";
import type { CheckEngineOptions } from "./testing/check-engine-info.ts";
import { PagedCheckEngine } from "./testing/paged-check-engine.ts";

type Action = () => void;

/** A loop over the check engine. `between` holds what happens after each step, one action a step. */
function setUp(
  options: CheckEngineOptions & { stepsInFlightMax?: number; nowUs?: () => number } = {},
) {
  const engine = new PagedCheckEngine(options);
  const clock = { now: 0, nowMs: () => clock.now };
  const { stepBudgetTokens = 16 } = options;
  const scheduler = new Scheduler({ info: engine.info, clock, stepBudgetTokens });
  const posted: FromWorker[] = [];
  const between: Action[] = [];
  const loop = new SchedulerLoop({
    scheduler,
    engine,
    post: (message) => posted.push(message),
    yieldToMessages: async () => between.shift()?.(),
    wait: (ms) => sleep(ms),
    stuckAfterMs: 1_000,
    stepsInFlightMax: options.stepsInFlightMax ?? 2,
    ...(options.nowUs === undefined ? {} : { nowUs: options.nowUs }),
  });
  const submit = (id: string, fields?: RequestFields) =>
    loop.handle({ type: "submit", requests: [engineRequest(id, fields)] });
  const cancel = (...ids: string[]) => loop.handle({ type: "cancel", ids });
  const close = () => loop.handle({ type: "close" });
  return { engine, clock, scheduler, loop, posted, between, submit, cancel, close };
}

/** The messages as short lines: type, and what happened to whom. */
function say(posted: readonly FromWorker[]): string[] {
  return posted.map((message) => {
    switch (message.type) {
      case "opened":
      case "closed":
        return message.type;
      case "failed":
        return `failed ${message.message}`;
      case "adapter-added":
      case "adapter-refused":
      case "adapter-lost":
        return `${message.type} ${message.digest}`;
      case "adapter-state":
        return `adapters ${message.states.join(" ")}`;
      case "refused":
        return `refused ${message.requestId} ${message.error.code}`;
      case "stuck":
        return `stuck ${message.stuck}`;
      case "step": {
        const progress = message.progress.map(({ requestId, newTokens, counts, end }) => {
          const ending = end === null ? "" : ` ${end.error?.code ?? end.reason}`;
          return `${requestId} +${newTokens.length} ${counts.computedPromptTokens}/${counts.outputTokens}${ending}`;
        });
        return `step ${message.stepId}: ${progress.join(", ")}`;
      }
    }
  });
}

describe("SchedulerLoop", () => {
  it("posts one message a step and sleeps until the next request", async () => {
    const { loop, posted, between, submit, close } = setUp();
    const running = loop.run();
    submit("a", { maxOutputTokens: 2 });
    submit("b", { maxOutputTokens: 1 });
    between.push(
      () => {},
      () => setImmediate(() => submit("c", { maxOutputTokens: 1 })),
      close,
    );
    await running;
    expect(say(posted)).toEqual([
      "step 1: a +1 4/1, b +1 4/1 length",
      "step 2: a +1 4/2 length",
      "step 3: c +1 4/1 length",
      "closed",
    ]);
    expect(posted[0]).toMatchObject({
      computeUs: 7,
      // b's two pages are quarantined: the step that decodes a is in flight.
      load: { running: 1, waiting: 0, pagesFree: 61, pagesTotal: 64, fairSpread: 0 },
    });
  });

  it("says what each step was made of and where its time went", async () => {
    let us = 0;
    const { loop, posted, between, submit, close } = setUp({ nowUs: () => (us += 10) });
    const running = loop.run();
    submit("a", { promptLength: 20, maxOutputTokens: 2 });
    between.push(
      () => {},
      () => {},
      close,
    );
    await running;
    const facts = posted.flatMap((message) => (message.type === "step" ? [message.facts] : []));
    // Every look at this clock takes 10 us: one phase, one step of it.
    const phasesUs = { plan: 10, wait: 10, settle: 10 };
    expect(facts.slice(1)).toEqual([
      { prefillTokens: 4, decodeTokens: 0, budgetTokens: 16, phasesUs },
      { prefillTokens: 0, decodeTokens: 1, budgetTokens: 16, phasesUs },
    ]);
    expect(facts[0]).toMatchObject({ prefillTokens: 16, decodeTokens: 0, budgetTokens: 16 });
  });

  it("ends a running request with the oldest step in flight, discards the next, and ends a queued one at once", async () => {
    const { loop, posted, between, submit, cancel, close, engine } = setUp({ slotCount: 1 });
    submit("a");
    submit("b");
    submit("c", { maxOutputTokens: 1 });
    const running = loop.run(); // steps 1 and 2 are in flight, both with a row of a
    cancel("b");
    cancel("a");
    between.push(
      () => {},
      () => {},
      close,
    );
    await running;
    expect(say(posted)).toEqual([
      "step 1: b +0 0/0 cancelled",
      "step 2: a +1 4/1 cancelled",
      "step 3: ",
      "step 4: c +1 4/1 length",
      "closed",
    ]);
    expect([engine.hostTokensComputed, engine.tokensSampled]).toEqual([8, 3]);
    expect(posted.at(-2)).toMatchObject({ discarded: { promptTokens: 0, outputTokens: 1 } });
  });

  it("ends a request cancelled before any step, with no step at all", async () => {
    const { loop, posted, submit, cancel, close, engine } = setUp();
    submit("a");
    cancel("a");
    close();
    await loop.run();
    expect(say(posted)).toEqual(["step 1: a +0 0/0 cancelled", "closed"]);
    expect(engine.hostTokensComputed).toBe(0);
  });

  it("hears grants while all that runs waits for them, and ends what none comes for", async () => {
    const { loop, clock, posted, submit, close } = setUp();
    const running = loop.run();
    for (const id of ["a", "b"]) {
      submit(id, { maxOutputTokens: 3, grant: { tokens: 1, mayGrow: true } });
    }
    await expect.poll(() => posted.length).toBe(1);
    loop.handle({ type: "grant", ids: ["a"], grant: { tokens: 3 } });
    await expect.poll(() => posted.length).toBe(3);
    clock.now = 10_000;
    await expect.poll(() => posted.length).toBe(4);
    close();
    await running;
    expect(say(posted)).toEqual([
      "step 1: a +1 4/1, b +1 4/1",
      "step 2: a +1 4/2",
      "step 3: a +1 4/3 length",
      "step 4: b +0 4/1 length",
      "closed",
    ]);
  });

  it("refuses new requests while draining and finishes what is here", async () => {
    const { loop, posted, between, submit, close } = setUp();
    submit("a", { maxOutputTokens: 2 });
    loop.handle({ type: "drain" });
    submit("b");
    between.push(() => {}, close);
    await loop.run();
    expect(say(posted)).toEqual([
      "refused b draining",
      "step 1: a +1 4/1",
      "step 2: a +1 4/2 length",
      "closed",
    ]);
  });

  it("ends what is left when it is closed, after the steps in flight", async () => {
    const { loop, posted, submit, close, engine, scheduler } = setUp({ slotCount: 1 });
    submit("a");
    submit("b");
    const running = loop.run();
    close();
    submit("c");
    await running;
    expect(say(posted)).toEqual([
      "refused c draining",
      "step 1: a +1 4/1",
      "step 2: a +1 4/2",
      "step 3: b +0 0/0 draining, a +0 4/2 draining",
      "closed",
    ]);
    expect(engine.closeCount).toBe(1);
    scheduler.checkIntegrity();
  });

  it("reports refusals of the scheduler", async () => {
    const { loop, posted, submit, close } = setUp({ contextTokens: 8 });
    submit("a", { promptLength: 8 });
    close();
    await loop.run();
    expect(say(posted)).toEqual(["refused a context_length_exceeded", "closed"]);
  });

  it("reports a step over its time bound once, keeps deadlines, and goes on when it comes back", async () => {
    const { loop, posted, between, submit, close, engine, clock } = setUp({ slotCount: 1 });
    engine.timeoutsLeft = 3;
    submit("a", { maxOutputTokens: 1 });
    submit("b", { deadlineMs: 50 });
    const running = loop.run(); // a is in flight
    clock.now = 60;
    between.push(close);
    await running;
    expect(say(posted)).toEqual([
      "stuck true",
      "step 1: b +0 0/0 queue_timeout",
      "stuck false",
      "step 2: a +1 4/1 length",
      "closed",
    ]);
  });

  it("reports the second step in flight as stuck as well", async () => {
    const { loop, posted, between, submit, close, engine } = setUp();
    submit("a", { maxOutputTokens: 4 });
    const running = loop.run(); // steps 1 and 2 are in flight
    between.push(() => {
      engine.timeoutsLeft = 2;
    }, close);
    await running;
    expect(say(posted).slice(0, 4)).toEqual([
      "step 1: a +1 4/1",
      "stuck true",
      "stuck false",
      "step 2: a +1 4/2",
    ]);
  });

  it.each([
    ["status", "failed EngineFault: step 2: bad row at row 0"],
    ["fence", "failed EngineFault: step 2: the fence says step 999"],
    ["reject", "failed Error: the launcher died"],
  ] as const)("ends everything when the engine breaks: %s", async (fault, failure) => {
    const { loop, posted, between, submit, engine } = setUp({ slotCount: 1 });
    submit("a");
    submit("b");
    between.push(() => {
      engine.nextFault = fault;
    });
    await loop.run();
    submit("c");
    expect(say(posted)).toEqual([
      "step 1: a +1 4/1",
      "step 2: b +0 0/0 internal_error, a +0 4/1 internal_error",
      failure,
      "closed",
      "refused c internal_error",
    ]);
    expect(engine.closeCount).toBe(1);
  });

  it("submits the next step before it waits for the one in flight, unless told otherwise", async () => {
    for (const [stepsInFlightMax, submitted] of [
      [2, [2, 3, 3]],
      [1, [1, 2, 3]],
    ] as const) {
      const { loop, engine, between, submit, close } = setUp({ stepsInFlightMax });
      const counts: number[] = [];
      const note = (): void => void counts.push(engine.submitCount);
      submit("a", { maxOutputTokens: 3 });
      between.push(note, note, () => (note(), close()));
      await loop.run();
      expect(counts).toEqual(submitted);
    }
  });

  it("discards what the step in flight samples after a stop token", async () => {
    const [first = -1] = outputAlone([1, 2, 3, 4], { count: 1, vocabSize: 1_000, salt: 0 });
    const { loop, posted, between, submit, close } = setUp();
    submit("a", { stopTokenIds: [first] });
    between.push(() => {}, close);
    await loop.run();
    expect(say(posted)).toEqual(["step 1: a +0 4/1 stop", "step 2: ", "closed"]);
    expect(posted[1]).toMatchObject({
      computeUs: 7,
      discarded: { promptTokens: 0, outputTokens: 1 },
      load: { running: 0, pagesFree: 64 },
    });
  });
});
