// Shows who pauses when pages run out, how a paused request comes back, and what is counted.
import { hash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { RequestProgress } from "../engine/worker-messages.ts";
import { PREEMPTIONS_MAX } from "../limits.ts";
import type { SchedulerOptions } from "./scheduler-parts.ts";
import { Scheduler } from "./scheduler.ts";
import { StepPredictor } from "./step-predictor.ts";
import { StepCycle } from "./step.ts";
import { engineRequest, type RequestFields } from "./testing/engine-request.ts";
import { MemorySwap } from "./testing/memory-swap.ts";
import { outputAlone } from "./testing/next-token.ts";
import { PagedCheckEngine } from "./testing/paged-check-engine.ts";

type Options = Pick<SchedulerOptions, "admission" | "victimOrder" | "stepTarget"> & {
  readonly pageCount: number;
  readonly slotCount?: number;
  readonly isCached?: boolean;
  /** Predicted time to swap a page; absent: there is no swap space. */
  readonly swapPageMs?: number;
  readonly stepBudgetTokens?: number;
};

/** A scheduler over pages of four tokens, stepped by hand one step at a time. */
function setUp({ pageCount, slotCount = 4, isCached = false, ...options }: Options) {
  const { stepBudgetTokens = 64 } = options;
  const engine = new PagedCheckEngine({ pageCount, slotCount, stepBudgetTokens });
  const clock = { now: 0, nowMs: () => clock.now };
  const swap = new MemorySwap({ engine, pageMs: options.swapPageMs ?? 0 });
  const prefixCache = {
    model: { modelDigest: "model", ropeConfig: "rope" },
    sha256: (bytes: Uint8Array) => hash("sha256", bytes, "base64"),
  };
  const scheduler = new Scheduler({
    info: engine.info,
    clock,
    ...options,
    stepBudgetTokens,
    swapSpace: options.swapPageMs === undefined ? undefined : swap,
    prefixCache: isCached ? prefixCache : undefined,
  });
  const steps = new StepCycle(scheduler, engine);
  const said = new Map<string, number[]>();
  const ends: string[] = [];
  const hear = (progress: readonly RequestProgress[]): void => {
    for (const { requestId, newTokens, end } of progress) {
      said.set(requestId, [...(said.get(requestId) ?? []), ...newTokens]);
      if (end !== null) ends.push(`${requestId} ${end.error?.code ?? end.reason}`);
    }
  };
  const submit = (id: string, fields?: RequestFields): void =>
    expect(scheduler.submit(engineRequest(id, fields))).toBeNull();
  /** One step, or null when none can start before a copy has ended. */
  const tryStep = (): RequestProgress[] | null => {
    if (!steps.start()) return null;
    const progress = steps.settle(engine.takeResult());
    hear(progress);
    scheduler.checkIntegrity();
    return progress;
  };
  const step = (): RequestProgress[] => {
    const progress = tryStep();
    if (progress === null) expect(swap.runOne()).toBe(true);
    return progress ?? [];
  };
  const stateOf = (id: string): string | undefined => scheduler.parts.table.get(id)?.state;
  const stepUntil = (isReached: () => boolean): void => {
    for (let left = 500; !isReached(); left--) {
      expect(left).toBeGreaterThan(0);
      step();
    }
  };
  const runToEnd = (): void => stepUntil(() => !scheduler.hasWork);
  return {
    engine,
    clock,
    swap,
    scheduler,
    steps,
    said,
    ends,
    submit,
    step,
    tryStep,
    stepUntil,
    runToEnd,
    stateOf,
  };
}

function alone(prompt: readonly number[], count: number, salt = 0): number[] {
  return outputAlone(prompt, { count, vocabSize: 1_000, salt });
}

const [A, B, C] = [
  [5, 6, 7, 8],
  [9, 9, 9, 9],
  [1, 2, 3, 4],
];

describe("preemption", () => {
  it("pauses the newest when a decode lacks a page; it goes on where it was, recomputing for free", () => {
    // Two prompts of one page each and one page to grow into: 12 outputs need 4 pages a request.
    const node = setUp({ pageCount: 4 });
    node.submit("a", { promptTokens: A, maxOutputTokens: 12 });
    node.submit("b", { promptTokens: B, maxOutputTokens: 6 });
    node.stepUntil(() => node.stateOf("b") === "preempted");
    // Both have 2 pages for 8 positions, that is 5 outputs each; a needs a third page.
    expect(node.said.get("b")).toEqual(alone(B, 5));
    expect(node.scheduler.load).toMatchObject({ running: 1, waiting: 1 });
    node.runToEnd();
    expect(node.said.get("a")).toEqual(alone(A, 12));
    expect(node.said.get("b")).toEqual(alone(B, 6));
    expect(node.ends).toEqual(["a length", "b length"]);
    // Prompt and four outputs; the fifth output had not been computed as an input.
    expect(node.scheduler.preemptions).toMatchObject({ recomputeCount: 1, recomputedTokens: 8 });
    expect(node.engine.hostTokensComputed).toBe(4 + 4 + 8 + 1);
    expect(node.scheduler.load).toMatchObject({ pagesFree: 4, pagesTotal: 4 });
  });

  it("tells counts that hold no recomputed token as computed", () => {
    const node = setUp({ pageCount: 4 });
    node.submit("a", { promptTokens: A, maxOutputTokens: 12 });
    node.submit("b", { promptTokens: B, maxOutputTokens: 6 });
    let last: RequestProgress | undefined;
    while (node.scheduler.hasWork) {
      last = node.step().find(({ requestId }) => requestId === "b") ?? last;
    }
    expect(last?.counts).toEqual({
      promptTokens: 4,
      cachedTokens: 0,
      computedPromptTokens: 4,
      outputTokens: 6,
      recomputedTokens: 8,
    });
  });

  it("draws on with the same random numbers", () => {
    const sampling = { temperature: 1, topP: 1, topK: 0, seedLow: 77, seedHigh: 0 };
    const node = setUp({ pageCount: 4 });
    node.submit("a", { promptTokens: A, maxOutputTokens: 12 });
    node.submit("b", { promptTokens: B, maxOutputTokens: 12, sampling });
    node.runToEnd();
    expect(node.scheduler.preemptions.recomputeCount).toBeGreaterThan(0);
    expect(node.said.get("b")).toEqual(alone(B, 12, 77));
  });

  it("preempts nobody under strict admission", () => {
    const node = setUp({ pageCount: 4, admission: "strict" });
    node.submit("a", { promptTokens: A, maxOutputTokens: 12 });
    node.submit("b", { promptTokens: B, maxOutputTokens: 6 });
    node.step();
    expect(node.scheduler.load).toMatchObject({ running: 1, waiting: 1 });
    node.runToEnd();
    expect(node.scheduler.preemptions.recomputeCount).toBe(0);
  });

  it("lets a preempted request join again before those that wait", () => {
    const node = setUp({ pageCount: 4, slotCount: 2 });
    node.submit("a", { promptTokens: A, maxOutputTokens: 12 });
    node.submit("b", { promptTokens: B, maxOutputTokens: 12 });
    node.submit("c", { promptTokens: C, maxOutputTokens: 1 });
    node.runToEnd();
    expect(node.ends).toEqual(["a length", "b length", "c length"]);
  });

  it("evicts what the cache keeps before it preempts, and takes a prompt's kept blocks back", () => {
    const node = setUp({ pageCount: 6, isCached: true });
    const tenantSalt = "salt";
    node.submit("old", { promptTokens: [...C, ...C], maxOutputTokens: 1, tenantSalt });
    node.runToEnd();
    expect(node.scheduler.parts.pool.idleCachedCount).toBe(2);
    node.submit("a", { promptTokens: A, maxOutputTokens: 12, tenantSalt });
    node.submit("b", { promptTokens: B, maxOutputTokens: 12, tenantSalt });
    node.stepUntil(() => node.stateOf("b") === "preempted");
    // Of six pages, a and b fill five with kept blocks of theirs; those of the old prompt have gone.
    expect(node.scheduler.parts.prefixes?.blockCount).toBe(5);
    node.runToEnd();
    expect(node.said.get("b")).toEqual(alone(B, 12));
    // Most of its blocks stayed in the cache: of 12 positions, four were computed again.
    expect(node.scheduler.preemptions).toMatchObject({ recomputeCount: 1, recomputedTokens: 4 });
  });

  it("preempts a request while its prompt is computed", () => {
    const node = setUp({ pageCount: 10, stepBudgetTokens: 4 });
    const long = Array.from({ length: 28 }, (_, index) => index);
    node.submit("a", { promptTokens: A, maxOutputTokens: 12 });
    node.step();
    node.submit("b", { promptTokens: long, maxOutputTokens: 1 });
    node.stepUntil(() => node.stateOf("b") === "preempted");
    expect(node.said.get("b")).toEqual([]);
    const { recomputedTokens } = node.scheduler.preemptions;
    expect(recomputedTokens).toBe(0);
    node.runToEnd();
    expect(node.said.get("b")).toEqual(alone(long, 1));
    // Three tokens of the prompt beside each of eight decodes of a.
    expect(node.scheduler.preemptions).toMatchObject({ recomputeCount: 1, recomputedTokens: 24 });
  });

  it("ends a preempted request at once when it is cancelled, with its counts", () => {
    const node = setUp({ pageCount: 4 });
    node.submit("a", { promptTokens: A, maxOutputTokens: 12 });
    node.submit("b", { promptTokens: B, maxOutputTokens: 12 });
    node.stepUntil(() => node.stateOf("b") === "preempted");
    const [ended] = node.scheduler.cancel(["b"]);
    expect(ended).toMatchObject({
      requestId: "b",
      counts: { computedPromptTokens: 4, outputTokens: 5 },
      end: { reason: "cancelled", error: null },
    });
    expect(node.scheduler.load).toMatchObject({ running: 1, waiting: 0 });
    node.runToEnd();
    expect(node.said.get("a")).toEqual(alone(A, 12));
  });

  it("lets a preempted request go on past its deadline, as a running one does", () => {
    const node = setUp({ pageCount: 4 });
    node.submit("a", { promptTokens: A, maxOutputTokens: 12 });
    node.submit("b", { promptTokens: B, maxOutputTokens: 12, deadlineMs: 50 });
    node.stepUntil(() => node.stateOf("b") === "preempted");
    node.clock.now = 100;
    expect(node.scheduler.endExpired()).toEqual([]);
    node.runToEnd();
    expect(node.ends).toEqual(["a length", "b length"]);
  });

  it("ends preempted requests with all others when the engine goes", () => {
    const node = setUp({ pageCount: 4 });
    node.submit("a", { promptTokens: A, maxOutputTokens: 12 });
    node.submit("b", { promptTokens: B, maxOutputTokens: 12 });
    node.stepUntil(() => node.stateOf("b") === "preempted");
    const error = { code: "internal_error", message: "gone", param: null } as const;
    const ended = node.scheduler.endAll(error).map(({ requestId }) => requestId);
    expect(ended).toEqual(["b", "a"]);
    node.scheduler.checkIntegrity();
  });

  it("asks the given order, never about the oldest, and leaves who was preempted often alone", () => {
    const asked: string[][] = [];
    const node = setUp({
      pageCount: 5,
      victimOrder: (candidates) => {
        asked.push(candidates.map(({ spec }) => spec.requestId));
        return candidates[0];
      },
    });
    for (const [id, promptTokens] of Object.entries({ a: A, b: B, c: C })) {
      node.submit(id, { promptTokens, maxOutputTokens: 16 });
    }
    let preemptionsMax = 0;
    while (node.scheduler.hasWork) {
      node.step();
      for (const { preemptionCount } of node.scheduler.parts.table.running) {
        preemptionsMax = Math.max(preemptionsMax, preemptionCount);
      }
    }
    expect(asked[0]).toEqual(["b", "c"]);
    expect(asked.flat()).not.toContain("a");
    expect(preemptionsMax).toBeLessThanOrEqual(PREEMPTIONS_MAX);
    expect([...node.said.values()].map(({ length }) => length)).toEqual([16, 16, 16]);
  });

  it("waits for the step in flight rather than lose what it computes", () => {
    const node = setUp({ pageCount: 4 });
    node.submit("a", { promptTokens: A, maxOutputTokens: 12 });
    node.submit("b", { promptTokens: B, maxOutputTokens: 12 });
    while (node.steps.inFlightCount < 2 && node.steps.start());
    for (let left = 100; node.stateOf("b") !== "preempted"; left--) {
      expect(left).toBeGreaterThan(0);
      node.steps.settle(node.engine.takeResult());
      while (node.steps.inFlightCount < 2 && node.steps.start());
    }
    expect(node.steps.discarded).toEqual({ promptTokens: 0, outputTokens: 0 });
    while (node.steps.inFlightCount > 0) node.steps.settle(node.engine.takeResult());
  });
});

describe("preemption by swap", () => {
  /** Two requests that need nine pages in the end; of six, b gives its own up before a lacks one. */
  function swappedOut(options: Partial<Options> = {}) {
    const node = setUp({ pageCount: 6, swapPageMs: 0, ...options });
    node.submit("a", { promptTokens: A, maxOutputTokens: 16 });
    node.submit("b", { promptTokens: B, maxOutputTokens: 12 });
    node.stepUntil(() => node.stateOf("b") === "preempted");
    return node;
  }

  it("saves pages before they lack, and goes on with them, computing nothing again", () => {
    const node = swappedOut();
    const { load } = node.scheduler;
    // a goes on while b's pages are still held for the copy.
    expect([node.swap.copyCount, load.running, load.waiting]).toEqual([1, 1, 1]);
    expect(node.step()).toMatchObject([{ requestId: "a" }]);
    node.swap.runOne();
    node.scheduler.checkIntegrity();
    node.runToEnd();
    expect(node.said.get("a")).toEqual(alone(A, 16));
    expect(node.said.get("b")).toEqual(alone(B, 12));
    expect(node.scheduler.preemptions).toMatchObject({
      recomputeCount: 0,
      recomputedTokens: 0,
      swapCount: 1,
    });
    expect([node.swap.keptCount, node.scheduler.load.pagesFree]).toEqual([0, 6]);
  });

  it("saves no more than was computed again, when a request was preempted before", () => {
    const node = setUp({ pageCount: 20, swapPageMs: 0, stepBudgetTokens: 1 });
    const { running } = node.scheduler.parts.table;
    node.submit("a", { promptTokens: A, maxOutputTokens: 12 });
    node.stepUntil(() => running[0]?.outputTokens === 7);
    for (const request of running) node.scheduler.preempt(request, "recompute");
    node.stepUntil(() => running[0]?.plannedPrefillTokens === 6);
    for (const request of running) node.scheduler.preempt(request, "swap");
    node.runToEnd();
    expect(node.said.get("a")).toEqual(alone(A, 12));
    // Ten positions were known: six were computed again before the swap, four behind it.
    expect(node.scheduler.preemptions).toMatchObject({ swapCount: 1, recomputedTokens: 10 });
  });

  it("computes again what was lost", () => {
    const node = swappedOut();
    node.swap.runOne(true);
    node.runToEnd();
    expect(node.said.get("b")).toEqual(alone(B, 12));
    expect(node.scheduler.preemptions).toMatchObject({ swapCount: 1, swapFailureCount: 1 });
    expect(node.scheduler.preemptions.recomputedTokens).toBeGreaterThan(0);
  });

  it.each(["saving", "saved", "loading", "loaded"])(
    "frees disk and pages of one that is cancelled while %s",
    (state) => {
      const node = swappedOut();
      const stateOfCopy = (): string | undefined => {
        const request = node.scheduler.parts.table.get("b");
        return request?.state === "preempted" ? request.ticket?.saved.state : undefined;
      };
      for (let left = 100; stateOfCopy() !== state; left--) {
        expect(left).toBeGreaterThan(0);
        if (!node.swap.runOne()) node.tryStep();
      }
      expect(node.scheduler.cancel(["b"])).toMatchObject([{ end: { reason: "cancelled" } }]);
      node.scheduler.checkIntegrity();
      while (node.swap.runOne());
      expect(node.swap.keptCount).toBe(0);
      node.runToEnd();
      expect(node.said.get("a")).toEqual(alone(A, 16));
      expect(node.scheduler.load.pagesFree).toBe(6);
    },
  );

  it("computes again where that is predicted cheaper", () => {
    const rest = { floorUs: 0, baseUs: 0, kneeTokens: 0, kneeUs: 0, decodeUs: 0, contextUs: 0 };
    const predictor = new StepPredictor({ ...rest, tokenUs: 1_000, pairUs: 0 });
    const stepTarget = { us: 1e9, predictor };
    // Eight positions and fewer take a millisecond each to compute, two pages 10 ms to swap.
    const slow = setUp({ pageCount: 6, swapPageMs: 5, stepTarget });
    slow.submit("a", { promptTokens: A, maxOutputTokens: 16 });
    slow.submit("b", { promptTokens: B, maxOutputTokens: 12 });
    slow.stepUntil(() => slow.stateOf("b") === "preempted");
    expect(slow.scheduler.preemptions).toMatchObject({ recomputeCount: 1, swapCount: 0 });
    const fast = swappedOut({ swapPageMs: 1, stepTarget });
    expect(fast.scheduler.preemptions).toMatchObject({ recomputeCount: 0, swapCount: 1 });
  });

  it("computes again what penalties read", () => {
    const sampling = { temperature: 0, topP: 1, topK: 0, seedLow: 0, seedHigh: 0 };
    const node = setUp({ pageCount: 6, swapPageMs: 0 });
    node.submit("a", { promptTokens: A, maxOutputTokens: 16 });
    const penalised = { ...sampling, presencePenalty: 0.5 };
    node.submit("b", { promptTokens: B, maxOutputTokens: 12, sampling: penalised });
    node.runToEnd();
    expect(node.scheduler.preemptions).toMatchObject({ recomputeCount: 1, swapCount: 0 });
  });
});
