import { describe, expect, it } from "vitest";
import type { QueuedRequest } from "../request/request.ts";
import { engineRequest, type RequestFields } from "./testing/engine-request.ts";
import type { Tier } from "./tier-turns.ts";
import { WaitingQueue } from "./waiting-queue.ts";

const BOUNDS = { requestsMax: 3, requestsPerTenantMax: 2, promptTokensMax: 100 };

function queued(requestId: string, fields?: RequestFields): QueuedRequest {
  const spec = engineRequest(requestId, fields);
  return { state: "queued", spec, outputTokensMax: 8, latestStartMs: spec.deadlineMs };
}

function ids(queue: WaitingQueue, tier: Tier = "interactive"): string[] {
  const taken: string[] = [];
  for (let next = queue.shift(tier); next; next = queue.shift(tier))
    taken.push(next.spec.requestId);
  return taken;
}

describe("WaitingQueue", () => {
  it("is first come first served over all tenants", () => {
    const queue = new WaitingQueue(BOUNDS);
    queue.add(queued("1", { tenantId: "ten_b" }));
    queue.add(queued("2", { tenantId: "ten_a" }));
    queue.add(queued("3", { tenantId: "ten_b" }));
    expect(queue.peek("interactive")?.spec.requestId).toBe("1");
    expect(ids(queue)).toEqual(["1", "2", "3"]);
    expect([queue.count, queue.promptTokens]).toEqual([0, 0]);
  });

  it("keeps the tiers apart, under the same bounds", () => {
    const queue = new WaitingQueue(BOUNDS);
    queue.add(queued("1", { tier: "batch", deadlineMs: 5 }));
    queue.add(queued("2"));
    queue.add(queued("3", { tier: "batch", tenantId: "ten_b" }));
    expect(queue.add(queued("4", { tenantId: "ten_c" }))?.code).toBe("overloaded");
    expect([queue.count, queue.countOf("interactive"), queue.countOf("batch")]).toEqual([3, 1, 2]);
    expect(queue.takeExpired(5).map(({ spec }) => spec.requestId)).toEqual(["1"]);
    expect(ids(queue, "batch")).toEqual(["3"]);
    expect(ids(queue)).toEqual(["2"]);
  });

  it("refuses a tenant's request over its bound and takes another tenant's", () => {
    const queue = new WaitingQueue(BOUNDS);
    expect(queue.add(queued("1"))).toBeNull();
    expect(queue.add(queued("2"))).toBeNull();
    expect(queue.add(queued("3"))).toEqual({
      code: "overloaded",
      message:
        "The node's queue is full: the tenant has 2 requests waiting, 2 may. Please retry later.",
      param: null,
      retryAfterMs: 1000,
    });
    expect(queue.add(queued("4", { tenantId: "ten_b" }))).toBeNull();
    expect(queue.count).toBe(3);
  });

  it("refuses requests and prompt tokens over their bounds, without keeping a trace", () => {
    const queue = new WaitingQueue(BOUNDS);
    queue.add(queued("1", { promptLength: 60 }));
    const tooLong = queue.add(queued("2", { promptLength: 41, tenantId: "ten_b" }));
    expect(tooLong?.message).toContain("60 prompt tokens wait, 100 may");
    queue.add(queued("3", { tenantId: "ten_b" }));
    queue.add(queued("4", { tenantId: "ten_c" }));
    const tooMany = queue.add(queued("5", { tenantId: "ten_d" }));
    expect(tooMany?.message).toContain("3 requests wait, as many as may");
    expect(queue.promptTokens).toBe(68);
    expect(ids(queue)).toEqual(["1", "3", "4"]);
    // The tenant that was refused has its whole share again.
    expect(queue.add(queued("6", { tenantId: "ten_d" }))).toBeNull();
    expect(queue.add(queued("7", { tenantId: "ten_d" }))).toBeNull();
  });

  it("takes requests out of the middle and keeps the order of the rest", () => {
    const queue = new WaitingQueue({ ...BOUNDS, requestsPerTenantMax: 3 });
    const [a, b, c] = [queued("a"), queued("b"), queued("c")];
    for (const request of [a, b, c]) queue.add(request);
    queue.removeAll(new Set([b]));
    expect(() => queue.removeAll(new Set([b]))).toThrow("0 of 1 are waiting");
    expect(ids(queue)).toEqual(["a", "c"]);
  });

  it("takes out what is past its deadline, and nothing before", () => {
    const queue = new WaitingQueue({ ...BOUNDS, requestsPerTenantMax: 3 });
    queue.add(queued("late", { deadlineMs: 300 }));
    queue.add(queued("soon", { deadlineMs: 100 }));
    queue.add(queued("next", { deadlineMs: 200 }));
    const expired = (nowMs: number) =>
      queue.takeExpired(nowMs).map((request) => request.spec.requestId);
    expect(expired(99)).toEqual([]);
    expect(expired(100)).toEqual(["soon"]);
    expect(expired(199)).toEqual([]);
    expect(expired(1_000)).toEqual(["late", "next"]);
    expect(queue.count).toBe(0);
  });
});
