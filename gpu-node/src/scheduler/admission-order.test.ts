// Shows that every order that a flag can name serves requests through the scheduler, and what bounds the spread.
import { describe, expect, it } from "vitest";
import type { FairnessOptions } from "../engine/worker-messages.ts";
import { fairBoundUnitsOf, FAIRNESS_DEFAULT } from "./admission-order.ts";
import { Scheduler } from "./scheduler.ts";
import { StepCycle } from "./step.ts";
import { engineRequest } from "./testing/engine-request.ts";
import { PagedCheckEngine } from "./testing/paged-check-engine.ts";

const ORDERS = ["vtc", "dlpm", "fcfs", "rpm", "lcf", "rr"] as const;

/** Serves requests of two tenants, eight of the first before two of the second, and says who ended in which order. */
function endsOf(fairness: FairnessOptions): string {
  const engine = new PagedCheckEngine({ pageCount: 8, slotCount: 1, stepBudgetTokens: 16 });
  const { info } = engine;
  const clock = { nowMs: () => 0 };
  const scheduler = new Scheduler({ info, clock, stepBudgetTokens: 16, fairness });
  const steps = new StepCycle(scheduler, engine);
  for (let index = 0; index < 10; index++) {
    const tenantId = index < 8 ? "a" : "b";
    const sent = engineRequest(`${index}`, { tenantId, promptLength: 8, maxOutputTokens: 4 });
    expect(scheduler.submit(sent)).toBeNull();
  }
  let ends = "";
  while (scheduler.hasWork) {
    steps.start();
    for (const { requestId, end } of steps.settle(engine.takeResult())) {
      if (end !== null) ends += Number(requestId) < 8 ? "a" : "b";
    }
  }
  return ends;
}

describe("makeOrder", () => {
  it.each(ORDERS)("serves everybody by %s", (order) => {
    const ends = endsOf({ ...FAIRNESS_DEFAULT, order });
    expect(ends.split("").toSorted().join("")).toBe("aaaaaaaabb");
    // Who sent more keeps the other waiting where nobody counts.
    expect(ends.startsWith("aaaaaaaa")).toBe(order === "fcfs" || order === "rpm");
  });

  it("W15: lets others drain for a request that nearly fills the pool, and passes nobody over it", () => {
    const engine = new PagedCheckEngine({ pageCount: 8, slotCount: 4, stepBudgetTokens: 32 });
    const { info } = engine;
    const clock = { nowMs: () => 0 };
    const options = { info, clock, stepBudgetTokens: 32, admission: "strict" } as const;
    const scheduler = new Scheduler(options);
    const steps = new StepCycle(scheduler, engine);
    const send = (id: string, promptLength: number) => {
      const sent = engineRequest(id, { tenantId: id, promptLength, maxOutputTokens: 4 });
      expect(scheduler.submit(sent)).toBeNull();
    };
    send("small", 8);
    steps.start();
    steps.settle(engine.takeResult());
    // 28 of 32 tokens; beside it nothing fits, before it the late one would.
    send("giant", 24);
    send("late", 4);
    const ends: string[] = [];
    while (scheduler.hasWork) {
      steps.start();
      for (const { requestId, end } of steps.settle(engine.takeResult())) {
        if (end !== null) ends.push(requestId);
      }
    }
    expect(ends).toEqual(["small", "giant", "late"]);
  });

  it("takes other costs", () => {
    expect(endsOf({ order: "vtc", cost: "profiled", cachedPercent: 0 })).toHaveLength(10);
  });

  it("bounds the spread by the pool's tokens as output, the longest prompt, and the quantum", () => {
    const bound = (fairness: Partial<FairnessOptions>, contextTokens = 2_048) => {
      const info = { contextTokens, pageCount: 100, pageTokens: 16 };
      return fairBoundUnitsOf({ ...FAIRNESS_DEFAULT, ...fairness }, info) / 5_040;
    };
    expect(bound({})).toBe(3_200);
    expect(bound({ order: "dlpm" })).toBe(3_200 + 4_096);
  });
});
