// The hub's side of fairness over a fleet: cells in, the others' sums out, across restarts of hub and node.
import { abortAllDurableObjects } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { cellOf, heardOf, report } from "../../test/fleet.ts";
import { freshHub, uniqueId } from "../../test/hub-request.ts";
import { TestNode } from "../../test/test-node.ts";

describe("service over the nodes of a region", () => {
  it("tells each node what the others gave, all of it first and changes then", async () => {
    const hub = freshHub();
    const tenantId = uniqueId("ten");
    const one = await TestNode.link(hub, uniqueId("node"), { epoch: 7 });
    const other = await TestNode.link(hub, uniqueId("node"), { epoch: 7 });
    report(one, 7, [cellOf(tenantId, 500)]);
    report(other, 7, [cellOf(tenantId, 30)]);
    expect(await heardOf(one, tenantId)).toMatchObject({ full: true, foreignUnits: 30 });
    expect(await heardOf(other, tenantId)).toMatchObject({
      full: true,
      foreignUnits: 500,
      counterUnits: 530,
    });
    // Twice and late: nothing comes of it.
    report(one, 7, [cellOf(tenantId, 500)]);
    report(one, 7, [cellOf(tenantId, 400)]);
    report(one, 7, [cellOf(tenantId, 520)]);
    expect(await heardOf(other, tenantId)).toMatchObject({ full: false, foreignUnits: 520 });
  });

  it("counts a restarted node's earlier boots as foreign, and closes on cells of one", async () => {
    const hub = freshHub();
    const [tenantId, nodeId] = [uniqueId("ten"), uniqueId("node")];
    const first = await TestNode.link(hub, nodeId, { epoch: 3 });
    report(first, 3, [cellOf(tenantId, 70)]);
    await heardOf(first, tenantId);
    first.close();
    const second = await TestNode.link(hub, nodeId, { epoch: 4 });
    expect(await heardOf(second, tenantId)).toMatchObject({ full: true, foreignUnits: 70 });
    report(second, 3, [cellOf(tenantId, 71)]);
    expect(await second.closed).toMatchObject({
      reason: "cells of epoch 3, the link is of 4",
    });
  });

  it("goes on after a restart of the hub from the last cells, lifts and floor", async () => {
    const name = uniqueId("shard");
    const hub = env.REGION_HUB.getByName(name);
    const [heavy, light] = [uniqueId("ten"), uniqueId("ten")];
    const nodeId = uniqueId("node");
    const before = await TestNode.link(hub, nodeId, { epoch: 1 });
    report(before, 1, [cellOf(heavy, 9_000)]);
    await heardOf(before, heavy);
    report(before, 1, [cellOf(light, 10)]);
    const floorUnits = await until(before, (floor) => floor >= 9_000);
    // Kept with the period after next at the latest.
    await before.next("service");
    await before.next("service");
    await abortAllDurableObjects();
    // Another node, so that all of it must come from what was kept.
    const again = env.REGION_HUB.getByName(name);
    const after = await TestNode.link(again, uniqueId("node"), { epoch: 1 });
    const news = await after.next("service");
    const sums = new Map(news.tenants.map((one) => [one.tenant_id, one]));
    expect(news.full).toBe(true);
    expect(news.floor_units).toBeGreaterThanOrEqual(floorUnits);
    expect(sums.get(heavy)).toMatchObject({ foreign_units: 9_000 });
    expect(sums.get(light)).toMatchObject({ foreign_units: 10 });
    // The one that came later was lifted to where the other stood, and stays there.
    expect(sums.get(light)?.counter_units).toBeGreaterThanOrEqual(9_000);
  }, 20_000);
});

/** The first floor told that satisfies `isReached`. */
async function until(node: TestNode, isReached: (floorUnits: number) => boolean): Promise<number> {
  for (;;) {
    const { floor_units: floorUnits } = await node.next("service");
    if (isReached(floorUnits)) return floorUnits;
  }
}
