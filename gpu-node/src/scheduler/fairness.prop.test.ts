// Shows that the scheduler that ships keeps the promises of its counters with any requests, over an engine that
// checks every row: charges are what was computed (P9), and in strict mode waiting tenants stay within U (P1).
import { hash } from "node:crypto";
import { FairQueue, linearCost } from "@fairlane/vtc";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { RequestProgress } from "../engine/worker-messages.ts";
import { sharedTokensOf } from "./forks.ts";
import { Scheduler } from "./scheduler.ts";
import { StepCycle } from "./step.ts";
import { engineRequest } from "./testing/engine-request.ts";
import { PagedCheckEngine } from "./testing/paged-check-engine.ts";

const PAGE_COUNT = 24;
const POOL_TOKENS = PAGE_COUNT * 4;

const request = fc.record({
  tenant: fc.integer({ min: 0, max: 3 }),
  promptLength: fc.integer({ min: 1, max: 40 }),
  output: fc.integer({ min: 1, max: 30 }),
  weight: fc.integer({ min: 1, max: 3 }),
  isShared: fc.boolean(),
  forkCount: fc.constantFrom(0, 0, 1, 2),
});
type Sent = typeof request extends fc.Arbitrary<infer T> ? T : never;
const event = fc.oneof(
  request.map((sent) => ({ type: "send" as const, sent })),
  fc.integer({ min: 1, max: 6 }).map((count) => ({ type: "step" as const, count })),
  fc.nat(30).map((pick) => ({ type: "cancel" as const, pick })),
);
const events = fc.array(event, { minLength: 10, maxLength: 60 });

function play(options: {
  readonly admission: "strict" | "optimistic";
  readonly onStep?: (scheduler: Scheduler) => void;
  readonly trace: readonly (typeof event extends fc.Arbitrary<infer T> ? T : never)[];
}) {
  const { admission, onStep = () => {}, trace } = options;
  const engine = new PagedCheckEngine({
    pageCount: PAGE_COUNT,
    slotCount: 4,
    stepBudgetTokens: 16,
  });
  const prefixCache = {
    model: { modelDigest: "model", ropeConfig: "rope" },
    sha256: (bytes: Uint8Array) => hash("sha256", bytes, "base64"),
  };
  const charged = new Map<string, number>();
  const onServed = (tenantId: string, units: number) =>
    charged.set(tenantId, (charged.get(tenantId) ?? 0) + units);
  const scheduler = new Scheduler({
    makeOrder: () => new FairQueue<string>({ onServed }),
    info: engine.info,
    clock: { nowMs: () => 0 },
    stepBudgetTokens: 16,
    admission,
    prefixCache,
  });
  const steps = new StepCycle(scheduler, engine);
  const computed = new Map<string, number>();
  const live = new Map<string, string>();
  const shared = new Map<string, number>();
  const hear = (progress: readonly RequestProgress[]): void => {
    for (const { requestId, counts, end } of progress) {
      if (end === null) continue;
      const tenantId = live.get(requestId) ?? "";
      live.delete(requestId);
      const { computedPromptTokens, outputTokens } = counts;
      // What a fork shares with the first answer was paid for by that one.
      const cachedTokens = Math.max(0, counts.cachedTokens - (shared.get(requestId) ?? 0));
      const units = 5_040 * computedPromptTokens + 252 * cachedTokens + 10_080 * outputTokens;
      computed.set(tenantId, (computed.get(tenantId) ?? 0) + units);
    }
  };
  const step = (): void => {
    while (steps.inFlightCount < 2 && steps.start());
    if (steps.inFlightCount > 0) hear(steps.settle(engine.takeResult()));
    onStep(scheduler);
  };
  const send = (sent: Sent, index: number): void => {
    const requestId = `req_${index}`;
    const tenantId = `ten_${sent.tenant}`;
    const forks = Array.from({ length: sent.forkCount }, (_, fork) => ({
      requestId: `${requestId}#${fork}`,
      seedLow: fork,
      seedHigh: 0,
    }));
    const spec = engineRequest(requestId, {
      tenantId,
      promptLength: sent.promptLength,
      maxOutputTokens: sent.output,
      weight: sent.weight,
      ...(forks.length > 0 ? { forks } : {}),
      ...(sent.isShared ? { tenantSalt: tenantId } : {}),
    });
    if (scheduler.submit(spec) !== null) return;
    live.set(requestId, tenantId);
    for (const fork of forks) {
      live.set(fork.requestId, tenantId);
      shared.set(fork.requestId, sharedTokensOf(spec, engine.info));
    }
  };
  for (const [index, next] of trace.entries()) {
    if (next.type === "send") send(next.sent, index);
    if (next.type === "step") for (let count = 0; count < next.count; count++) step();
    if (next.type === "cancel") {
      const id = [...live.keys()][next.pick % Math.max(1, live.size)];
      if (id !== undefined) hear(scheduler.cancel([id]));
    }
  }
  for (let left = 5_000; scheduler.hasWork; left--) {
    expect(left).toBeGreaterThan(0);
    step();
  }
  return { charged, computed, discarded: steps.discarded };
}

describe("fairness of the scheduler", () => {
  it("P1: keeps waiting tenants within U of one another under strict admission", () => {
    const boundUnits = linearCost().spreadBoundUnits({
      promptTokensMax: 40,
      poolTokens: POOL_TOKENS,
    });
    fc.assert(
      fc.property(events, (trace) => {
        const onStep = ({ parts }: Scheduler) =>
          expect(parts.waiting.spreadUnits).toBeLessThanOrEqual(boundUnits);
        play({ admission: "strict", onStep, trace });
      }),
      { numRuns: 60 },
    );
  });

  it("P9: charges what was computed, once, and what a step computed of cancelled prompts", () => {
    fc.assert(
      fc.property(events, fc.constantFrom("strict", "optimistic"), (trace, admission) => {
        const { charged, computed, discarded } = play({ admission, trace });
        const sum = (totals: ReadonlyMap<string, number>) =>
          [...totals.values()].reduce((total, units) => total + units, 0);
        const lost = sum(charged) - sum(computed);
        const inFlightUnits = 5_040 * discarded.promptTokens;
        if (admission === "strict") expect(lost).toBe(inFlightUnits);
        // Discarded prompt may have been recomputed, which nobody is charged for.
        expect(lost).toBeGreaterThanOrEqual(0);
        expect(lost).toBeLessThanOrEqual(inFlightUnits);
      }),
    );
  });
});
