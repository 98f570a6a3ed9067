import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { prefillShareMinTokens, StepBudget } from "./step-budget.ts";
import { builtBatch } from "./testing/built-batch.ts";
import { decodingRequest, prefillingRequest } from "./testing/engine-request.ts";

describe("buildBatch, any running set and queue", () => {
  const prompt = fc.integer({ min: 1, max: 40 });
  const prefill = fc
    .tuple(prompt, fc.nat(39))
    .map(([length, computed]) => prefillingRequest(length, Math.min(computed, length - 1)));
  const decode = fc
    .tuple(prompt, fc.integer({ min: 1, max: 9 }))
    .map(([p, o]) => decodingRequest(p, o));
  const setting = fc.record({
    running: fc.array(fc.oneof(prefill, decode), { maxLength: 12 }),
    waiting: fc.array(
      prompt.map((length) => prefillingRequest(length)),
      { maxLength: 12 },
    ),
    stepBudgetTokens: fc.integer({ min: 1, max: 100 }),
  });

  it("keeps the invariants of Sarathi-Serve's batches", () => {
    fc.assert(
      fc.property(setting, (given) => {
        const planned = new Map(
          given.running.map((request) => [request, request.plannedPrefillTokens]),
        );
        const budget = new StepBudget(given.stepBudgetTokens);
        const { batch, joinCount } = builtBatch({ ...given, budget });
        const all = Array.from({ length: batch.rowCount }, (_, index) => batch.row(index));
        // i: every decode is in it, once, before all prefills
        const decodes = given.running.filter((request) => request.state === "decoding");
        expect(all.slice(0, decodes.length).map((row) => row.request)).toEqual(decodes);
        // ii: prefill tokens stay within max(minimum share, budget - decodes)
        const prefills = all.slice(decodes.length);
        const tokens = prefills.reduce((sum, row) => sum + row.tokenCount, 0);
        const share = Math.max(
          prefillShareMinTokens(given.stepBudgetTokens),
          given.stepBudgetTokens - decodes.length,
        );
        expect(tokens).toBeLessThanOrEqual(share);
        // iii: at most one chunk is cut short, and it is the last
        const cut = prefills.filter((row) => !row.isSampled);
        expect(cut.length).toBeLessThanOrEqual(1);
        if (cut.length > 0) expect(prefills.at(-1)).toBe(cut[0]);
        // iv: chunks go on where the prompt stands
        for (const { request, firstPosition } of prefills) {
          expect(firstPosition).toBe(planned.get(request) ?? 0);
        }
        // v: prefills are served in order, running ones before new ones
        const running = given.running.filter((request) => request.state === "prefilling");
        const order = [...running, ...given.waiting];
        expect(prefills.map((row) => row.request)).toEqual(order.slice(0, prefills.length));
        expect(joinCount).toBe(Math.max(0, prefills.length - running.length));
        // work-conserving: budget is left only when nothing waits
        if (prefills.length < order.length) expect(tokens).toBe(share);
      }),
      { numRuns: 500 },
    );
  });
});
