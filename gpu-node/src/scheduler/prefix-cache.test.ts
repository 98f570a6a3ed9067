// The prefix cache as the scheduler uses it, over an engine that reads every token back through the pages: who may find
// what, and from when on. What the index itself promises is memory/prefix-index.test.ts's.
import { hash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { RequestProgress } from "../engine/worker-messages.ts";
import { Scheduler } from "./scheduler.ts";
import { StepCycle } from "./step.ts";
import { engineRequest, type RequestFields } from "./testing/engine-request.ts";
import { outputAlone } from "./testing/next-token.ts";
import type { CheckEngineOptions } from "./testing/check-engine-info.ts";
import { PagedCheckEngine } from "./testing/paged-check-engine.ts";

const PROMPT = Array.from({ length: 20 }, (_, index) => 3 * index + 1);

/** A scheduler over pages of four tokens. */
function setUp(options: CheckEngineOptions = {}) {
  const { stepBudgetTokens = 64 } = options;
  const engine = new PagedCheckEngine({ ...options, stepBudgetTokens });
  const scheduler = new Scheduler({
    info: engine.info,
    clock: { nowMs: () => 0 },
    stepBudgetTokens,
    prefixCache: {
      model: { modelDigest: "model", ropeConfig: "rope" },
      sha256: (bytes) => hash("sha256", bytes, "base64"),
    },
  });
  const steps = new StepCycle(scheduler, engine);
  const said = new Map<string, number[]>();
  const cachedOf = new Map<string, number>();
  const hear = (progress: readonly RequestProgress[]): void => {
    for (const { requestId, newTokens, counts } of progress) {
      said.set(requestId, [...(said.get(requestId) ?? []), ...newTokens]);
      cachedOf.set(requestId, counts.cachedTokens);
    }
  };
  const submit = (id: string, fields: RequestFields): void => {
    const spec = engineRequest(id, { promptTokens: PROMPT, maxOutputTokens: 2, ...fields });
    expect(scheduler.submit(spec)).toBeNull();
  };
  const start = (): boolean => steps.start();
  const settle = (): void => {
    hear(steps.settle(engine.takeResult()));
    scheduler.checkIntegrity();
  };
  const runToEnd = (): void => {
    while (scheduler.hasWork || steps.inFlightCount > 0) {
      while (steps.inFlightCount < 2 && start());
      settle();
    }
  };
  /** Runs the request alone to its end; returns its cached tokens. */
  const cachedTokens = (id: string, fields: RequestFields): number | undefined => {
    submit(id, fields);
    runToEnd();
    return cachedOf.get(id);
  };
  return { engine, scheduler, said, cachedOf, submit, start, settle, runToEnd, cachedTokens };
}

function alone(prompt: readonly number[], count: number): number[] {
  return outputAlone(prompt, { count, vocabSize: 1_000, salt: 0 });
}

describe("the prefix cache of a scheduler", () => {
  it("gives a tenant what it sent before, and nobody else", () => {
    const { cachedTokens, said } = setUp();
    expect(cachedTokens("a1", { tenantSalt: "a" })).toBe(0);
    expect(cachedTokens("a2", { tenantSalt: "a" })).toBe(16);
    expect(cachedTokens("b1", { tenantSalt: "b" })).toBe(0);
    expect(cachedTokens("b2", { tenantSalt: "b" })).toBe(16);
    expect([...said.values()]).toEqual(Array.from({ length: 4 }, () => alone(PROMPT, 2)));
  });

  it("gives nobody else anything after pages went to another tenant and came back", () => {
    // Six pages: each request needs all of them, so each takes the other's.
    const { cachedTokens, scheduler } = setUp({ pageCount: 6 });
    expect(cachedTokens("a1", { tenantSalt: "a" })).toBe(0);
    expect(cachedTokens("b1", { tenantSalt: "b" })).toBe(0);
    expect(scheduler.parts.prefixes?.evictedCount).toBeGreaterThan(0);
    expect(cachedTokens("b2", { tenantSalt: "b" })).toBeGreaterThan(0);
    expect(cachedTokens("a2", { tenantSalt: "a" })).toBe(0);
  });

  it("keeps nothing of who wants none of it, and gives it nothing", () => {
    const { cachedTokens, scheduler } = setUp();
    expect(cachedTokens("no store", {})).toBe(0);
    expect(scheduler.parts.prefixes?.blockCount).toBe(0);
    expect(cachedTokens("a1", { tenantSalt: "a" })).toBe(0);
    expect(cachedTokens("no look-up", {})).toBe(0);
  });

  it("finds no block that no settled step has written, when its request was cancelled meanwhile", () => {
    const { scheduler, submit, start, settle, runToEnd, cachedOf, said } = setUp({
      stepBudgetTokens: 8,
    });
    submit("a1", { tenantSalt: "a" });
    // Positions 0 to 7, and 8 to 15: both in flight.
    expect([start(), start()]).toEqual([true, true]);
    scheduler.cancel(["a1"]);
    settle();
    // The request has left; what the step in flight still writes was never kept.
    expect(scheduler.parts.prefixes?.blockCount).toBe(2);
    submit("a2", { tenantSalt: "a" });
    runToEnd();
    expect(cachedOf.get("a2")).toBe(8);
    expect(said.get("a2")).toEqual(alone(PROMPT, 2));
  });

  it("finds no block that no settled step has written, when its request was preempted", () => {
    const { scheduler, submit, start, settle, runToEnd, cachedOf, said } = setUp({
      stepBudgetTokens: 8,
    });
    submit("a1", { tenantSalt: "a" });
    start();
    settle();
    const [a1] = scheduler.parts.table.running;
    if (a1 === undefined) throw new Error("a1 does not run");
    scheduler.preempt(a1);
    expect(scheduler.parts.prefixes?.blockCount).toBe(2);
    submit("a2", { tenantSalt: "a" });
    runToEnd();
    expect(cachedOf.get("a2")).toBeGreaterThanOrEqual(8);
    expect([said.get("a1"), said.get("a2")]).toEqual([alone(PROMPT, 2), alone(PROMPT, 2)]);
  });

  it("computes identical cold prompts once each, and keeps one of them", () => {
    const { scheduler, submit, runToEnd, cachedOf, said, engine } = setUp({ pageCount: 64 });
    for (const id of ["a1", "a2", "a3"]) submit(id, { tenantSalt: "a" });
    runToEnd();
    expect([...cachedOf.values()]).toEqual([0, 0, 0]);
    // As documented: three prefills, one set of blocks.
    expect(engine.hostTokensComputed).toBe(3 * PROMPT.length);
    expect(scheduler.parts.prefixes?.blockCount).toBe(5);
    expect(scheduler.parts.pool.idleCachedCount).toBe(5);
    for (const id of ["a1", "a2", "a3"]) expect(said.get(id)).toEqual(alone(PROMPT, 2));
  });

  it("lets a request wait for pages that are in use, and reuses what it evicts in the same step", () => {
    const { submit, start, settle, runToEnd, said, scheduler } = setUp({ pageCount: 8 });
    const other = PROMPT.map((token) => token + 500);
    submit("a1", { tenantSalt: "a", maxOutputTokens: 8 });
    start();
    submit("b1", { tenantSalt: "b", promptTokens: other });
    settle();
    start();
    // Seven of eight pages are a1's or about to be: b1's five do not fit.
    expect(scheduler.load).toMatchObject({ running: 1, waiting: 1 });
    settle();
    runToEnd();
    expect(scheduler.parts.prefixes?.evictedCount).toBeGreaterThan(0);
    expect(said.get("a1")).toEqual(alone(PROMPT, 8));
    expect(said.get("b1")).toEqual(alone(other, 2));
  });
});
