// Shows the bounds of the node's fair queue, whose turn it is between tenants, keys and tiers, and what a request's
// life charges its tenant. What counters do in detail is shown in packages/vtc.
import { FairQueue as CounterQueue, FcfsOrder } from "@fairlane/vtc";
import { describe, expect, it } from "vitest";
import { BlockTable } from "../memory/block-table.ts";
import {
  joinRunning,
  preempt,
  type QueuedRequest,
  type RunningRequest,
} from "../request/request.ts";
import { FairQueue } from "./fair-queue.ts";
import { engineRequest, type RequestFields } from "./testing/engine-request.ts";
import type { Tier } from "./tier-turns.ts";

const BOUNDS = { requestsMax: 3, requestsPerTenantMax: 2, promptTokensMax: 100 };
const WIDE = { requestsMax: 100, requestsPerTenantMax: 100, promptTokensMax: 100_000 };

function queued(requestId: string, fields?: RequestFields): QueuedRequest {
  const spec = engineRequest(requestId, fields);
  return { state: "queued", spec, outputTokensMax: 8, latestStartMs: spec.deadlineMs };
}

function queueOf(bounds = WIDE) {
  const counters: CounterQueue<string>[] = [];
  const queue = new FairQueue(bounds, () => {
    const order = new CounterQueue<string>();
    counters.push(order);
    return order;
  });
  /** In units of one prompt token. */
  const tokens = (tenantId: string) => (counters[0]?.keyOf(tenantId) ?? 0) / 5_040;
  const add = (requestId: string, fields?: RequestFields) =>
    queue.add(queued(requestId, fields), 0);
  const joinNext = (tier: Tier = "interactive", heldTokens = 0): RunningRequest | undefined => {
    const next = queue.peek(tier);
    if (next === undefined) return undefined;
    const place = { slot: 0, blocks: new BlockTable(16), scheduledAtMs: 0, heldTokens };
    const running = joinRunning(next, place);
    queue.joined(running);
    return running;
  };
  const drain = (tier?: Tier): string[] => {
    const ids: string[] = [];
    for (let next = joinNext(tier); next !== undefined; next = joinNext(tier)) {
      ids.push(next.spec.requestId);
    }
    return ids;
  };
  return { queue, tokens, add, joinNext, drain };
}

/** What a step does to a request: computes `prompt` tokens of it and makes `output` tokens. */
function compute(queue: FairQueue, request: RunningRequest, prompt: number, output = 0): void {
  request.plannedPrefillTokens += prompt;
  request.computedPromptTokens += prompt;
  for (let count = 0; count < output; count++) queue.produced(request);
  queue.settle();
}

describe("FairQueue of a node", () => {
  it("gives tenants their turns by what they were served, and a tenant's keys likewise", () => {
    const { add, drain } = queueOf();
    for (const id of ["1", "2", "3"]) add(`big${id}`, { tenantId: "ten_a", promptLength: 90 });
    add("k1", { tenantId: "ten_b", keyId: "key_1", promptLength: 40 });
    add("k2", { tenantId: "ten_b", keyId: "key_1", promptLength: 40 });
    add("k3", { tenantId: "ten_b", keyId: "key_2", promptLength: 40 });
    expect(drain()).toEqual(["big1", "k1", "k3", "k2", "big2", "big3"]);
  });

  it("keeps the tiers apart, with counters of their own, under the same bounds", () => {
    const { queue, add, drain } = queueOf(BOUNDS);
    add("1", { tier: "batch", deadlineMs: 5 });
    add("2");
    add("3", { tier: "batch", tenantId: "ten_b" });
    expect(add("4", { tenantId: "ten_c" })?.code).toBe("overloaded");
    expect([queue.count, queue.countOf("interactive"), queue.countOf("batch")]).toEqual([3, 1, 2]);
    expect(queue.expired(5).map(({ spec }) => spec.requestId)).toEqual(["1"]);
    expect(drain("batch")).toEqual(["1", "3"]);
    expect(drain()).toEqual(["2"]);
  });

  it("refuses a tenant's request over its bound and takes another tenant's", () => {
    const { queue, add } = queueOf(BOUNDS);
    expect([add("1"), add("2")]).toEqual([null, null]);
    expect(add("3")).toEqual({
      code: "overloaded",
      message:
        "The node's queue is full: the tenant has 2 requests waiting, 2 may. Please retry later.",
      param: null,
      retryAfterMs: 1000,
    });
    expect(add("4", { tenantId: "ten_b" })).toBeNull();
    expect(queue.count).toBe(3);
  });

  it("refuses requests and prompt tokens over their bounds, without keeping a trace", () => {
    const { queue, add } = queueOf(BOUNDS);
    add("1", { promptLength: 60 });
    const tooLong = add("2", { promptLength: 41, tenantId: "ten_b" });
    expect(tooLong?.message).toContain("60 prompt tokens wait, 100 may");
    add("3", { tenantId: "ten_b" });
    add("4", { tenantId: "ten_c" });
    const tooMany = add("5", { tenantId: "ten_d" });
    expect(tooMany?.message).toContain("3 requests wait, as many as may");
    expect([queue.promptTokens, queue.count]).toEqual([68, 3]);
    for (const request of queue.requests) queue.ended(request);
    expect([queue.promptTokens, queue.count]).toEqual([0, 0]);
    // The tenant that was refused has its whole share again.
    expect([add("6", { tenantId: "ten_d" }), add("7", { tenantId: "ten_d" })]).toEqual([
      null,
      null,
    ]);
  });

  it("names what is past its deadline, and nothing before", () => {
    const { queue, add } = queueOf();
    add("late", { deadlineMs: 300 });
    add("soon", { deadlineMs: 100 });
    add("next", { deadlineMs: 200 });
    const expire = (nowMs: number) =>
      queue.expired(nowMs).map((request) => {
        queue.ended(request);
        return request.spec.requestId;
      });
    expect([expire(99), expire(100), expire(199)]).toEqual([[], ["soon"], []]);
    expect(expire(1_000)).toEqual(["late", "next"]);
    expect(queue.count).toBe(0);
  });

  it("charges uncached prompt when it joins, cached prompt a twentieth, output when it is made", () => {
    const { queue, add, joinNext, tokens } = queueOf();
    add("1", { promptLength: 100 });
    const running = joinNext("interactive", 40);
    expect(tokens("ten_a")).toBe(60 + 2);
    if (running === undefined) throw new Error("it waits");
    compute(queue, running, 60, 1);
    compute(queue, running, 0, 4);
    expect(tokens("ten_a")).toBe(62 + 10);
    queue.ended(running);
    expect(tokens("ten_a")).toBe(72);
  });

  it("W11: gives back what of a cancelled prompt no step computes, but not what one in flight does", () => {
    const { queue, add, joinNext, tokens } = queueOf();
    add("1", { promptLength: 1_000 });
    const running = joinNext();
    if (running === undefined) throw new Error("it waits");
    compute(queue, running, 200);
    running.plannedPrefillTokens += 100;
    queue.ended(running);
    expect(tokens("ten_a")).toBe(300);
    add("2", { promptLength: 1_000 });
    for (const request of queue.requests) queue.ended(request);
    expect(tokens("ten_a")).toBe(300);
  });

  it("charges a preempted request nothing for coming back, and lets it come before its client's others", () => {
    const { queue, add, joinNext, tokens } = queueOf();
    add("old", { promptLength: 50 });
    const running = joinNext();
    if (running === undefined) throw new Error("it waits");
    compute(queue, running, 50, 3);
    add("young", { promptLength: 10 });
    queue.addPreempted(preempt(running));
    expect(queue.peek("interactive")?.spec.requestId).toBe("old");
    expect(queue.count).toBe(2);
    const again = joinNext();
    expect([again?.spec.requestId, tokens("ten_a")]).toEqual(["old", 56]);
  });

  it("pauses the newest request of the tenant that was served most, of the batch tier first", () => {
    const { queue, add, joinNext } = queueOf();
    const run = (id: string, fields: RequestFields): RunningRequest => {
      add(id, fields);
      const running = joinNext(fields.tier);
      if (running === undefined) throw new Error("it waits");
      return running;
    };
    const heavy = run("heavy", { tenantId: "ten_h", promptLength: 500 });
    const heavier = run("heavier", { tenantId: "ten_h", promptLength: 10 });
    const light = run("light", { tenantId: "ten_l", promptLength: 20 });
    compute(queue, heavy, 0, 100);
    expect(queue.victimOrder([heavy, heavier, light])).toBe(heavier);
    const batch = run("batch", { tenantId: "ten_l", tier: "batch" });
    expect(queue.victimOrder([heavy, batch, heavier, light])).toBe(batch);
  });

  it("counts service from other nodes for a tenant's turn", () => {
    const { queue, add, drain } = queueOf();
    add("a", { tenantId: "ten_a" });
    add("b", { tenantId: "ten_b" });
    queue.addForeignService("ten_a", 1);
    expect(drain()).toEqual(["b", "a"]);
  });

  it("takes the fleet's news: what others gave, and a floor for who comes when nobody waits", () => {
    const { queue, add, drain } = queueOf();
    const tenants = [{ tenantId: "ten_a", units: 600 }];
    queue.addForeign({ tenants, floorUnits: 500 });
    // Lifted to the floor of 500, which is less than "ten_a" has.
    add("b", { tenantId: "ten_b" });
    add("a", { tenantId: "ten_a" });
    expect(queue.spreadUnits).toBe(100);
    expect(drain()).toEqual(["b", "a"]);
  });

  it("tells how far the counters of waiting tenants are apart, and nothing for orders without", () => {
    const { queue, add } = queueOf();
    add("a", { tenantId: "ten_a" });
    add("b", { tenantId: "ten_b" });
    queue.addForeignService("ten_a", 70);
    expect(queue.spreadUnits).toBe(70);
    const fcfs = new FairQueue(WIDE, () => new FcfsOrder());
    fcfs.add(queued("1"), 0);
    expect(fcfs.spreadUnits).toBe(0);
  });
});
