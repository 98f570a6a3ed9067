import { describe, expect, it } from "vitest";
import { UNITS_PER_TOKEN } from "../cost.ts";
import { FairQueue } from "../fair-queue.ts";

const turn = (tenantId: string, promptTokens = 10) => ({
  request: tenantId,
  path: [tenantId],
  weight: 1,
  promptTokens,
  outputTokensMax: 1,
  nowMs: 0,
});

describe("the fleet's floor", () => {
  it("lifts who comes to a queue in which nobody waits, and never lowers it", () => {
    const queue = new FairQueue<string>();
    queue.raiseFloor(500);
    queue.raiseFloor(400);
    queue.add(turn("a"));
    expect(queue.keyOf("a")).toBe(500);
  });

  it("leaves the lowest waiting counter to decide while somebody waits", () => {
    const queue = new FairQueue<string>();
    queue.add(turn("a"));
    queue.raiseFloor(500);
    queue.add(turn("b"));
    expect(queue.keyOf("b")).toBe(0);
  });

  it("is not below the counter of who left last", () => {
    const queue = new FairQueue<string>();
    const ticket = queue.add(turn("a"));
    queue.join(ticket, { cachedTokens: 0 });
    queue.raiseFloor(5);
    queue.add(turn("b"));
    expect(queue.keyOf("b")).toBe(10 * UNITS_PER_TOKEN);
  });

  it("counts from where the queue began, whatever was taken off all counters since", () => {
    const queue = new FairQueue<string>({ renormaliseAtUnits: 1_000 });
    const first = queue.add(turn("a"));
    queue.join(first, { cachedTokens: 0 });
    const served = 10 * UNITS_PER_TOKEN;
    expect(queue.keyOf("a")).toBe(0);
    queue.raiseFloor(served + 70);
    queue.add(turn("b"));
    expect(queue.keyOf("b")).toBe(70);
  });
});
