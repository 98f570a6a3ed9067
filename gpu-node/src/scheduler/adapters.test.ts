// Adapters as the scheduler treats them: who may get ahead of whom, what is shared with whom, and that what a request says
// depends on its own adapter alone.
import { describe, expect, it } from "vitest";
import { AdapterRig, type RigOptions } from "../adapters/testing/adapter-rig.ts";
import type { RequestFields } from "./testing/engine-request.ts";

const PROMPT = Array.from({ length: 20 }, (_, index) => 3 * index + 1);

/** What a request says on an engine that has nothing else to do. */
async function alone(adapter: number | null, fields: RequestFields): Promise<number[]> {
  await using rig = await AdapterRig.make({ pageCount: 64 });
  if (adapter !== null) await rig.add(adapter, 1 + (adapter % 3));
  rig.submit("alone", adapter, fields);
  await rig.runToEnd();
  return rig.said.get("alone") ?? [];
}

async function rigWith(adapterCount: number, options: RigOptions): Promise<AdapterRig> {
  const rig = await AdapterRig.make(options);
  for (let index = 1; index <= adapterCount; index++) await rig.add(index, 1 + (index % 3));
  return rig;
}

describe("requests with adapters", () => {
  it.each([
    ["computed again", false],
    ["swapped out", true],
  ])(
    "say what they say alone: in any mix, with the cache, as forks, and %s",
    async (_, isSwapping) => {
      const sizes = { pageCount: 24, slotCount: 6, stepBudgetTokens: 12 };
      await using rig = await rigWith(4, { ...sizes, isSwapping });
      const asked = [1, null, 2, 3, 1, 4, null, 2, 3, 4, 1, 2];
      for (const [index, adapter] of asked.entries()) {
        const forks = index % 4 === 0 ? [{ requestId: `f${index}`, seedLow: 0, seedHigh: 0 }] : [];
        const fields = { promptTokens: PROMPT.slice(0, 6 + index), maxOutputTokens: 10, forks };
        rig.submit(`r${index}`, adapter, { ...fields, tenantSalt: index % 2 === 0 ? "a" : "b" });
      }
      await rig.runToEnd();
      const { recomputeCount, swapCount } = rig.scheduler.preemptions;
      expect(isSwapping ? swapCount : recomputeCount).toBeGreaterThan(0);
      for (const [index, adapter] of asked.entries()) {
        const fields = { promptTokens: PROMPT.slice(0, 6 + index), maxOutputTokens: 10 };
        const expected = await alone(adapter, fields);
        expect(rig.said.get(`r${index}`)).toEqual(expected);
        if (index % 4 === 0) expect(rig.said.get(`f${index}`)).toEqual(expected);
      }
      rig.scheduler.parts.room.flush();
      expect(rig.scheduler.parts.pool.freeCount).toBe(24);
    },
  );

  it("find nothing in the prefix cache that another adapter computed", async () => {
    await using rig = await rigWith(2, { pageCount: 64 });
    const cached = async (id: string, adapter: number | null) => {
      rig.submit(id, adapter, { promptTokens: PROMPT, tenantSalt: "a", maxOutputTokens: 2 });
      await rig.runToEnd();
      return rig.cachedTokens.get(id);
    };
    expect([await cached("a", 1), await cached("b", 2), await cached("c", null)]).toEqual([
      0, 0, 0,
    ]);
    expect([await cached("d", 1), await cached("e", 2), await cached("f", null)]).toEqual([
      16, 16, 16,
    ]);
  });

  it("have embeddings of their own", async () => {
    await using rig = await rigWith(1, { pageCount: 64 });
    const fields = { pooling: "last", maxOutputTokens: 0 } as const;
    rig.submit("a", 1, fields);
    rig.submit("b", null, fields);
    await rig.runToEnd();
    expect([rig.ends.get("a"), rig.ends.get("b")]).toEqual(["stop", "stop"]);
  });

  it("are refused when prompt, answer and adapter together never fit", async () => {
    await using rig = await rigWith(2, { pageCount: 10 });
    // Adapter 2 has three pages of the ten, each of which holds four tokens.
    const fields = { promptLength: 20, maxOutputTokens: 9 };
    expect(() => rig.submit("a", 2, fields)).toThrow("holds 7 pages");
    rig.submit("b", 2, { ...fields, maxOutputTokens: 8 });
    await rig.runToEnd();
    expect(rig.ends.get("b")).toBe("length");
  });

  it("reserve under strict admission what is left beside their adapters", async () => {
    const scheduler = { admission: "strict" } as const;
    await using rig = await rigWith(3, { pageCount: 16, slotCount: 8, scheduler });
    for (let index = 0; index < 9; index++) {
      rig.submit(`r${index}`, 1 + (index % 3), { maxOutputTokens: 12 });
    }
    await rig.runToEnd();
    expect([...rig.ends.values()]).toEqual(Array.from({ length: 9 }, () => "length"));
    expect(rig.scheduler.preemptions.recomputeCount).toBe(0);
  });
});

describe("a request whose adapter is not in pages", () => {
  /** Tenants "cold" and "warm" come at once; the adapter of the first has many pages, copied one a step. */
  async function contest(slackUnits: number) {
    const rig = await AdapterRig.make({ pageCount: 64, slotCount: 8, slackUnits });
    await rig.add(1, 6);
    await rig.add(2, 1);
    rig.submit("warm-up", 2, { tenantId: "warm", maxOutputTokens: 2 });
    await rig.runToEnd();
    rig.submit("running", null, { tenantId: "other", maxOutputTokens: 40 });
    rig.start("a page");
    rig.settle();
    rig.submit("cold", 1, { tenantId: "cold" });
    rig.submit("warm", 2, { tenantId: "warm" });
    rig.submit("warm 2", 2, { tenantId: "warm" });
    return rig;
  }

  it("lets others join within the slack", async () => {
    await using rig = await contest(1_000_000_000);
    rig.start("a page");
    expect(rig.scheduler.parts.table.get("warm 2")?.state).toBe("prefilling");
    expect(rig.scheduler.parts.table.get("cold")?.state).toBe("queued");
    await rig.runToEnd();
    expect(rig.ends.get("cold")).toBe("length");
  });

  it("is not passed where the slack is nothing, and running decodes go on", async () => {
    await using rig = await contest(0);
    for (let step = 0; step < 4; step++) {
      expect(rig.start("a page")).toBe(true);
      // Both tenants stood alike, so the first may go; with it, its tenant is ahead.
      expect(rig.scheduler.parts.table.get("warm 2")?.state).toBe("queued");
      rig.settle();
    }
    expect(rig.said.get("running")).toHaveLength(5);
    await rig.runToEnd();
    expect(rig.ends.get("warm 2")).toBe("length");
  });

  it("is passed by tenants no further than the slack: their service stays within it", async () => {
    // A prompt of eight tokens costs 8 units of 5,040 and each output two.
    const slackUnits = 40 * 5_040;
    await using rig = await AdapterRig.make({ pageCount: 64, slotCount: 2, slackUnits });
    await rig.add(1, 30);
    rig.submit("cold", 1, { tenantId: "cold", promptLength: 8 });
    let joined = 0;
    for (let index = 0; index < 50; index++) {
      rig.submit(`w${index}`, null, { tenantId: "warm", promptLength: 8, maxOutputTokens: 1 });
    }
    for (let round = 0; round < 20; round++) {
      if (rig.start("a page")) rig.settle();
      joined = rig.said.size;
    }
    // Ten units each: the fifth takes the tenant to fifty, above the slack of forty.
    expect(joined).toBe(5);
    expect(rig.scheduler.parts.table.get("cold")?.state).toBe("queued");
    await rig.runToEnd();
    expect(rig.ends.get("cold")).toBe("length");
  });
});

describe("the bound on distinct adapters", () => {
  it("holds when requests join, and never stops a running decode", async () => {
    await using rig = await rigWith(4, {
      pageCount: 64,
      slotCount: 8,
      distinctCountMax: 2,
      slackUnits: 1_000_000_000,
    });
    for (let index = 0; index < 16; index++) {
      rig.submit(`r${index}`, 1 + (index % 4), { tenantId: `t${index % 4}`, maxOutputTokens: 6 });
    }
    let most = 0;
    while (rig.scheduler.hasWork) {
      const before = rig.scheduler.parts.table.running.filter(({ state }) => state === "decoding");
      const isStarted = rig.start();
      most = Math.max(most, rig.adapters.use.runningCount);
      if (!isStarted) continue;
      const rows = Array.from({ length: rig.steps.batch.rowCount }, (_, at) =>
        rig.steps.batch.row(at),
      );
      for (const request of before) expect(rows.map((row) => row.request)).toContain(request);
      rig.settle();
    }
    expect(most).toBe(2);
    expect(rig.ends.size).toBe(16);
  });

  it("starves no minority adapter: after a second of waiting for others nobody passes it", async () => {
    await using rig = await rigWith(2, {
      pageCount: 200,
      slotCount: 4,
      distinctCountMax: 1,
      slackUnits: 1_000_000_000,
    });
    let sent = 0;
    const popular = () => {
      rig.submit(`p${sent}`, 1, { tenantId: `t${sent % 7}`, maxOutputTokens: 3 + (sent % 5) });
      sent += 1;
    };
    for (let index = 0; index < 4; index++) popular();
    while (!rig.start());
    rig.settle();
    rig.submit("rare", 2, { tenantId: "rare", maxOutputTokens: 2 });
    let endedAt = 0;
    for (let step = 1; step <= 400 && endedAt === 0; step++) {
      while (rig.scheduler.parts.waiting.count < 4) popular();
      rig.clock.now += 20;
      if (rig.start()) rig.settle();
      if (rig.ends.has("rare")) endedAt = step;
    }
    // Fifty steps of 20 ms until nobody passes it, some until those that run have ended, and its own.
    expect(endedAt).toBeGreaterThan(50);
    expect(endedAt).toBeLessThan(75);
  });
});
