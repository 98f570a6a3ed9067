// What the intake keeps of the fleet's service, what it writes to D1, and what comes back from there.
import { abortAllDurableObjects, runInDurableObject } from "cloudflare:test";
import type { FleetCell, FleetChange } from "@fairlane/protocol";
import { openLedgerDb, writeFairCounters } from "@fairlane/db";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { rowsOf } from "../../test/fleet.ts";
import { uniqueId } from "../../test/hub-request.ts";
import { intake } from "../../test/usage.ts";

const NO_COUNTS = {
  inputTokens: 0,
  cachedTokens: 0,
  outputTokens: 0,
  serviceUnits: 0,
  queueMs: 0,
  requests: 0,
};

function cellOf(tenantId: string, serviceUnits: number, change: Partial<FleetCell> = {}) {
  const counts = { ...NO_COUNTS, serviceUnits, inputTokens: serviceUnits, requests: 1 };
  return { tenantId, nodeId: "n1", epoch: 1, weight: 3, counts, ...change };
}

function changeOf(cells: readonly FleetCell[], change: Partial<FleetChange> = {}): FleetChange {
  return { cells, lifts: [], floorUnits: 0, remoteSeq: 0, ...change };
}

/** A start finds a checkpoint due. */
async function checkpointNow(): Promise<void> {
  await abortAllDurableObjects();
  await intake().syncFleet(changeOf([]));
}

async function pageOf(tenantId: string) {
  const { cells, closed, lifts } = await intake().fleetPage("");
  return {
    cells: cells.filter((cell) => cell.tenantId === tenantId),
    closed: closed.filter((one) => one.tenantId === tenantId),
    lifts: lifts.filter((one) => one.tenantId === tenantId),
  };
}

describe("cells of service at the intake", () => {
  it("are kept joined, with lifts and floor, over a crash", async () => {
    const tenantId = uniqueId("ten");
    const lifts = [{ tenantId, units: 40 }];
    const floorUnits = (await intake().fleetHead()).floorUnits + 5;
    await intake().syncFleet(changeOf([cellOf(tenantId, 100)], { lifts, floorUnits }));
    await intake().syncFleet(changeOf([cellOf(tenantId, 90)], { floorUnits: 4 }));
    await abortAllDurableObjects();
    expect(await pageOf(tenantId)).toEqual({ cells: [cellOf(tenantId, 100)], closed: [], lifts });
    expect((await intake().fleetHead()).floorUnits).toBe(floorUnits);
  });

  it("reach D1 by cell and by hour, once however often they are written", async () => {
    const tenantId = uniqueId("ten");
    await intake().syncFleet(changeOf([cellOf(tenantId, 100)]));
    await intake().syncFleet(changeOf([cellOf(tenantId, 150)]));
    await intake().syncFleet(changeOf([cellOf(tenantId, 20, { nodeId: "n2", epoch: 8 })]));
    await checkpointNow();
    await expect
      .poll(() => rowsOf("service_hourly", tenantId))
      .toEqual([
        expect.objectContaining({
          service_units: 170,
          input_tokens: 170,
          weight: 3,
          region: "local",
        }),
      ]);
    expect(await rowsOf("service_counters", tenantId)).toEqual([
      expect.objectContaining({ node_id: "n1", epoch: 1, service_units: 150, weight: 3 }),
      expect.objectContaining({ node_id: "n2", epoch: 8, service_units: 20 }),
    ]);
    // As if the intake had died between D1's write and its own note of it.
    await runInDurableObject(intake(), (_, { storage }) => {
      storage.sql.exec("UPDATE fleet SET written_cells_seq = 0, written_hours_seq = 0");
    });
    await intake().syncFleet(changeOf([cellOf(tenantId, 151)]));
    await checkpointNow();
    await expect
      .poll(() => rowsOf("service_hourly", tenantId))
      .toEqual([expect.objectContaining({ service_units: 171 })]);
  });

  it("are summed up once a node has had too many epochs, here and in D1", async () => {
    const [tenantId, nodeId] = [uniqueId("ten"), uniqueId("node")];
    for (let epoch = 1; epoch <= 10; epoch++) {
      await intake().syncFleet(changeOf([cellOf(tenantId, 10, { nodeId, epoch })]));
    }
    const { cells, closed } = await pageOf(tenantId);
    expect(cells.map(({ epoch }) => epoch)).toEqual([3, 4, 5, 6, 7, 8, 9, 10]);
    expect(closed[0]?.counts).toMatchObject({ serviceUnits: 20, requests: 2 });
    await intake().syncFleet(changeOf([cellOf(tenantId, 999, { nodeId, epoch: 2 })]));
    await checkpointNow();
    await expect.poll(async () => (await rowsOf("service_counters", tenantId)).length).toBe(9);
    const rows = await rowsOf("service_counters", tenantId);
    expect(rows[0]).toMatchObject({ node_id: "", epoch: 0, service_units: 20 });
    expect(rows.map((row) => row["service_units"])).toEqual([20, ...Array<number>(8).fill(10)]);
  });
});

describe("service of other regions", () => {
  it("comes from D1, and again when it grew", async () => {
    const tenantId = uniqueId("ten");
    const { remoteSeq } = await intake().syncFleet(changeOf([]));
    const remote = { region: "mars", nodeId: "m1", epoch: 1, tenantId, weight: 1 };
    const write = (serviceUnits: number, nodeId: string) =>
      writeFairCounters(openLedgerDb(env.LEDGER_DB), [
        { ...remote, ...NO_COUNTS, nodeId, serviceUnits, updatedAtMs: Date.now() },
      ]);
    await write(700, "m1");
    const heard = async () => {
      const news = await intake().syncFleet(changeOf([], { remoteSeq }));
      return news.remote.filter((one) => one.tenantId === tenantId);
    };
    await checkpointNow();
    await expect.poll(heard).toEqual([{ tenantId, region: "mars", serviceUnits: 700 }]);
    await write(50, "m2");
    await checkpointNow();
    await expect.poll(heard).toEqual([{ tenantId, region: "mars", serviceUnits: 750 }]);
  });
});

describe("an intake whose storage was lost", () => {
  it("takes its cells from D1, and gives nobody credit", async () => {
    const [heavy, light] = [uniqueId("ten"), uniqueId("ten")];
    await intake().syncFleet(changeOf([cellOf(heavy, 90_000_000), cellOf(light, 10)]));
    await checkpointNow();
    await expect.poll(() => rowsOf("service_counters", light)).toHaveLength(1);
    await runInDurableObject(intake(), async (_, { storage }) => {
      await storage.deleteAlarm();
      await storage.deleteAll();
    });
    await abortAllDurableObjects();
    const head = await intake().fleetHead();
    expect(head.floorUnits).toBeGreaterThanOrEqual(90_000_000);
    expect((await pageOf(light)).cells).toEqual([cellOf(light, 10)]);
    // A node that sends its cells again counts nothing twice.
    await intake().syncFleet(changeOf([cellOf(heavy, 90_000_000)]));
    expect((await pageOf(heavy)).cells).toEqual([cellOf(heavy, 90_000_000)]);
  });
});
