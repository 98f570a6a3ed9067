import { rm } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { AdapterRig, digestOf } from "./testing/adapter-rig.ts";

describe("AdapterResidency", () => {
  it("brings an adapter in for the request that wants it, and keeps it when nobody does", async () => {
    await using rig = await AdapterRig.make({ pageCount: 16 });
    await rig.add(1, 3);
    rig.submit("a", 1);
    expect(rig.start()).toBe(false);
    expect(rig.moves).toEqual(["1 loading", "1 resident"]);
    await rig.runToEnd();
    expect(rig.ends.get("a")).toBe("length");
    expect(rig.adapters.use).toMatchObject({ pages: 3, idlePages: 3, residentCount: 1 });
    rig.submit("b", 1);
    await rig.runToEnd();
    expect(rig.moves).toHaveLength(2);
    expect(rig.adapters.use.totals.loadCount).toBe(1);
  });

  it("copies some pages between two steps, and the request joins once all are there", async () => {
    await using rig = await AdapterRig.make({ pageCount: 32 });
    await rig.add(1, 4);
    rig.submit("base", null, { maxOutputTokens: 40, promptLength: 4 });
    expect(rig.start()).toBe(true);
    rig.submit("a", 1);
    rig.settle();
    const rounds: string[] = [];
    while (rig.moves.at(-1) !== "1 resident") {
      expect(rig.start("a page")).toBe(true);
      rounds.push(rig.moves.at(-1) ?? "");
      rig.settle();
      expect(rounds.length).toBeLessThan(10);
    }
    // Nobody waited: each copy went beside a step of the request without an adapter.
    expect(rounds.at(0)).toBe("1 loading");
    expect(rig.said.get("base")?.length).toBe(rounds.length + 1);
    await rig.runToEnd();
    expect(rig.ends.get("a")).toBe("length");
  });

  it("gives idle adapters' pages to requests that need them, never those of running ones", async () => {
    await using rig = await AdapterRig.make({ pageCount: 12, slotCount: 4 });
    await rig.add(1, 3);
    await rig.add(2, 3);
    for (const [id, adapter] of [
      ["a", 1],
      ["b", 2],
    ] as const) {
      rig.submit(id, adapter, { maxOutputTokens: 2 });
      await rig.runToEnd();
    }
    expect(rig.adapters.use.residentCount).toBe(2);
    rig.submit("a2", 1, { promptLength: 8, maxOutputTokens: 20 });
    rig.start();
    rig.settle();
    rig.submit("wide", null, { promptLength: 20, maxOutputTokens: 3 });
    await rig.runToEnd();
    expect(rig.moves.filter((move) => move.endsWith("evicting"))).toEqual(["2 evicting"]);
    expect([rig.ends.get("a2"), rig.ends.get("wide")]).toEqual(["length", "length"]);
  });

  it.each([
    [false, "1 evicting"],
    [true, "2 evicting"],
  ])("evicts others before a pinned adapter (pinned: %s)", async (isPinned, evicted) => {
    await using rig = await AdapterRig.make({ pageCount: 12, slotCount: 4 });
    await rig.add(1, 3);
    await rig.add(2, 3);
    rig.submit("a", 1, { maxOutputTokens: 2, adapter: { digest: digestOf(1), isPinned } });
    await rig.runToEnd();
    // Used more often and later, so worth more by itself.
    for (const id of ["b", "c", "d"]) {
      rig.submit(id, 2, { maxOutputTokens: 2 });
      await rig.runToEnd();
    }
    rig.submit("wide", null, { promptLength: 28, maxOutputTokens: 3 });
    await rig.runToEnd();
    expect(rig.moves.filter((move) => move.endsWith("evicting"))).toEqual([evicted]);
  });

  it("brings adapters in by turns where the pool holds one at a time", async () => {
    await using rig = await AdapterRig.make({ pageCount: 9, slotCount: 4 });
    for (const index of [1, 2, 3]) await rig.add(index, 5);
    for (let request = 0; request < 9; request++) {
      rig.submit(`r${request}`, 1 + (request % 3), { maxOutputTokens: 4 });
    }
    await rig.runToEnd();
    expect([...rig.ends.values()]).toEqual(Array.from({ length: 9 }, () => "length"));
    expect(rig.adapters.use.residentCount).toBe(1);
  });

  it("reads packed forms from disk where memory has no room for them", async () => {
    await using rig = await AdapterRig.make({ pageCount: 9, hostBytesMax: 0 });
    for (const index of [1, 2]) await rig.add(index, 5);
    rig.submit("a", 1);
    rig.submit("b", 2);
    await rig.runToEnd();
    // Both files are read at once; whichever is there first, the first request's adapter gets the pages.
    expect(rig.moves.filter((move) => !move.endsWith("host"))).toEqual([
      "1 loading",
      "1 resident",
      "1 evicting",
      "1 cold",
      "2 loading",
      "2 resident",
    ]);
    expect(rig.adapters.use).toMatchObject({ hostBytes: 0, totals: { readCount: 2 } });
  });

  it("ends requests whose adapter's file is lost, and takes no more of them", async () => {
    await using rig = await AdapterRig.make({ hostBytesMax: 0 });
    await rig.add(1, 2);
    await rm(rig.store.folder, { recursive: true });
    rig.submit("a", 1);
    rig.submit("b", 1);
    rig.submit("base", null);
    await rig.runToEnd();
    expect(Object.fromEntries(rig.ends)).toEqual({
      a: "upstream_error",
      b: "upstream_error",
      base: "length",
    });
    expect(rig.adapters.has(digestOf(1))).toBe(false);
    expect(() => rig.submit("c", 1)).toThrow("does not exist");
  });

  it("finishes running and waiting requests of an adapter that is removed, then forgets it", async () => {
    await using rig = await AdapterRig.make({ slotCount: 1 });
    await rig.add(1, 2);
    rig.submit("a", 1);
    rig.submit("b", 1);
    rig.start();
    rig.start();
    rig.adapters.remove(digestOf(1));
    expect(() => rig.submit("c", 1)).toThrow("does not exist");
    await rig.runToEnd();
    expect([rig.ends.get("a"), rig.ends.get("b")]).toEqual(["length", "length"]);
    rig.adapters.prepare(undefined);
    expect(rig.adapters.count).toBe(0);
    expect(rig.scheduler.parts.pool.ownerOf(0)).not.toBe("adapter");
    expect(rig.adapters.use).toMatchObject({ pages: 0, residentCount: 0, hostBytes: 0 });
    await rig.store.settled();
    expect(await rig.store.read(digestOf(1))).toBeUndefined();
  });

  it("keeps an adapter that is added again before it was gone", async () => {
    await using rig = await AdapterRig.make();
    await rig.add(1, 2);
    rig.submit("a", 1);
    rig.start();
    rig.adapters.remove(digestOf(1));
    await rig.add(1, 2);
    await rig.runToEnd();
    expect(rig.adapters.has(digestOf(1))).toBe(true);
    rig.submit("b", 1);
    await rig.runToEnd();
    expect(rig.adapters.use.totals.loadCount).toBe(1);
  });

  it("gives no slot to another adapter while a step in flight may name it", async () => {
    await using rig = await AdapterRig.make({ pageCount: 24, adapterSlots: 2, slotCount: 4 });
    await rig.add(1, 1);
    rig.submit("a", 1, { maxOutputTokens: 30 });
    rig.start();
    rig.start();
    rig.settle();
    rig.start();
    rig.start();
    // Two steps with its slot are in flight: the check engine would refuse to have it cleared.
    rig.scheduler.cancel(["a"]);
    rig.adapters.remove(digestOf(1));
    rig.settle();
    expect(rig.moves.at(-1)).toBe("1 evicting");
    rig.settle();
    rig.adapters.prepare(undefined);
    expect(rig.adapters.count).toBe(0);
  });
});
