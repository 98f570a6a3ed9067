import { describe, expect, it } from "vitest";
import { AdapterRig, digestOf } from "./testing/adapter-rig.ts";

/** Microseconds that a page takes to be copied. */
const PAGE_US = 100;

/** A rig whose clock moves while pages are copied, and nothing else does. */
async function copyingRig(pageCount: number) {
  const time = { us: 0 };
  const rig = await AdapterRig.make({ pageCount: 200, nowUs: () => time.us });
  const copied: number[] = [];
  const { writePages } = rig.engine;
  Object.assign(rig.engine, {
    writePages: (images: Parameters<typeof writePages>[0]) => {
      writePages(images);
      copied.push(images.pages.length);
      time.us += PAGE_US * images.pages.length;
    },
  });
  const digest = await rig.add(1, pageCount);
  rig.adapters.want({ digest });
  rig.adapters.prepare(digest);
  return { rig, copied, digest };
}

describe("AdapterLoads", () => {
  it("copies as many pages beside a step as the step's share allows, and one at least", async () => {
    const { rig, copied, digest } = await copyingRig(12);
    await using _ = rig;
    // How long a page takes is known from the first one on.
    for (const budgetUs of [1_000, 350, 350, 50, 0]) rig.adapters.copy(digest, budgetUs);
    expect(copied).toEqual([1, 3, 3, 1, 1]);
    rig.adapters.copy(digest, 10_000);
    expect(copied.at(-1)).toBe(3);
    expect(rig.adapters.readinessOf(digest)).toBe("ready");
    rig.adapters.unwant(digest);
  });

  it("copies by the piece where no step waits, so that messages are heard meanwhile", async () => {
    const { rig, copied, digest } = await copyingRig(100);
    await using _ = rig;
    rig.adapters.copy(digest, null);
    rig.adapters.copy(digest, null);
    expect(copied).toEqual([64, 36]);
    expect(rig.adapters.use.totals).toMatchObject({ loadCount: 1, loadMs: 10 });
    rig.adapters.unwant(digest);
  });

  it("copies the adapter first whose turn it is, beside one that was begun before", async () => {
    const { rig, digest } = await copyingRig(8);
    await using _ = rig;
    rig.adapters.copy(digest, 0);
    const urgent = await rig.add(2, 4);
    rig.adapters.want({ digest: urgent });
    rig.adapters.prepare(urgent);
    rig.adapters.copy(urgent, 10_000);
    expect(rig.moves.filter((move) => move.endsWith("resident"))).toEqual([
      "2 resident",
      "1 resident",
    ]);
    for (const one of [digest, urgent]) rig.adapters.unwant(one);
  });

  it("evicts nothing for a prefetch that has no room all the same", async () => {
    await using rig = await AdapterRig.make({ pageCount: 20 });
    await rig.add(1, 8);
    await rig.add(2, 15);
    for (const id of ["a", "b"]) {
      rig.submit(id, 1, { maxOutputTokens: 1 });
      await rig.runToEnd();
    }
    const { pool } = rig.scheduler.parts;
    const taken = Array.from({ length: 8 }, () => pool.allocate("kv"));
    rig.adapters.want({ digest: digestOf(2) });
    rig.adapters.prepare(undefined);
    expect(rig.adapters.readinessOf(digestOf(1))).toBe("ready");
    expect(rig.adapters.readinessOf(digestOf(2))).toBe("coming");
    // Where it is the one whose turn it is, it waits for those pages.
    rig.adapters.prepare(digestOf(2));
    expect(rig.adapters.readinessOf(digestOf(2))).toBe("blocked");
    for (const page of taken) pool.release(page);
    rig.adapters.prepare(digestOf(2));
    rig.adapters.copy(digestOf(2), null);
    expect(rig.adapters.readinessOf(digestOf(2))).toBe("ready");
    rig.adapters.unwant(digestOf(2));
  });
});
