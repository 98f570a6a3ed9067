import { describe, expect, it } from "vitest";
import { BlockTable } from "../memory/block-table.ts";
import { engineRequest } from "../scheduler/testing/engine-request.ts";
import type { QueuedRequest } from "./request.ts";
import { RequestTable } from "./request-table.ts";

function queued(requestId: string): QueuedRequest {
  return { state: "queued", spec: engineRequest(requestId), outputTokensMax: 8, latestStartMs: 0 };
}

function place(): { blocks: BlockTable; scheduledAtMs: number } {
  return { blocks: new BlockTable(16), scheduledAtMs: 5 };
}

describe("RequestTable", () => {
  it("keeps a request's slot while it runs and gives it to the next one afterwards", () => {
    const table = new RequestTable(2);
    const [a, b, c] = [queued("a"), queued("b"), queued("c")];
    for (const request of [a, b, c]) table.addQueued(request);
    const joinedA = table.join(a, place());
    const joinedB = table.join(b, place());
    expect([joinedA.slot, joinedB.slot, table.freeSlotCount]).toEqual([0, 1, 0]);
    expect(() => table.join(c, place())).toThrow("no slot is free");

    table.remove(joinedA);
    expect([joinedA.hasLeft, joinedB.hasLeft]).toEqual([true, false]);
    expect(table.join(c, place()).slot).toBe(0);
    expect(table.running.map((request) => request.spec.requestId)).toEqual(["b", "c"]);
    expect(table.liveCount).toBe(2);
  });

  it("asserts that ids are unique and that ends are of live requests", () => {
    const table = new RequestTable(1);
    const a = queued("a");
    table.addQueued(a);
    expect(() => table.addQueued(queued("a"))).toThrow("a is live already");
    expect(() => table.remove(queued("a"))).toThrow("a ends without being live");
    table.remove(a);
    expect(table.liveCount).toBe(0);
    expect(() => table.join(a, place())).toThrow("a joins without waiting");
  });
});
