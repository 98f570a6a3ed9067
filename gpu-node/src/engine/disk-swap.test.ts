// Shows pages going to a real file and back, and what is left when copies fail, are dropped or closed.
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { PageMove } from "./engine.ts";
import { PagedCheckEngine } from "../scheduler/testing/paged-check-engine.ts";
import { DiskSwap } from "./disk-swap.ts";
import type { SavedPages } from "../memory/swap-space.ts";

const PAGE_BYTES = 16;
const PAGES = 12;

let folder = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "fairlane-disk-swap-"));
});

afterEach(() => rm(folder, { recursive: true }));

/** An engine whose page p begins as bytes p + 1, and a swap over it. */
async function setUp(options: { readonly pageCountMax?: number; readonly folder?: string } = {}) {
  const engine = new PagedCheckEngine({ pageCount: PAGES });
  const clock = { now: 0 };
  const swap = await DiskSwap.open({
    engine,
    folder: options.folder ?? folder,
    bytesMax: (options.pageCountMax ?? 100) * PAGE_BYTES,
    nowMs: () => (clock.now += 1),
  });
  const all = Array.from({ length: PAGES }, (_, page) => page);
  for (const page of all) engine.importPages(moveOf(page, page + 1));
  const byteOf = (page: number): number => {
    const move = moveOf(page, 0);
    engine.exportPages(move);
    expect(new Set(move.canonical).size).toBe(1);
    return move.canonical[0] ?? -1;
  };
  const save = (pages: readonly number[]) => {
    const ended = Promise.withResolvers<void>();
    return { saved: swap.save(pages, ended.resolve), ended: ended.promise };
  };
  const load = (saved: SavedPages, pages: readonly number[]): Promise<void> => {
    const ended = Promise.withResolvers<void>();
    swap.load(saved, pages, ended.resolve);
    return ended.promise;
  };
  return { engine, clock, swap, byteOf, save, load };
}

function moveOf(page: number, byte: number): PageMove {
  const canonical = new Uint8Array(PAGE_BYTES).fill(byte);
  return { kvGroup: 0, pages: Int32Array.of(page), canonical };
}

describe("DiskSwap", () => {
  it("keeps pages in a file without a name, and gives them back into other pages", async () => {
    const { swap, save, load, byteOf, engine } = await setUp();
    const { saved, ended } = save([3, 1, 7]);
    expect(saved).toMatchObject({ state: "saving", pageCount: 3 });
    expect(swap.copyCount).toBe(1);
    await ended;
    expect([saved.state, swap.copyCount, swap.usedCount]).toEqual(["saved", 0, 3]);
    expect(await readdir(folder)).toEqual([]);
    for (const page of [3, 1, 7]) engine.importPages(moveOf(page, 99));

    await load(saved, [0, 2, 4]);
    expect(saved.state).toBe("loaded");
    expect([0, 2, 4].map(byteOf)).toEqual([4, 2, 8]);
    expect(swap.totals).toEqual({ savedBytes: 48, loadedBytes: 48, failureCount: 0 });
    swap.drop(saved);
    swap.drop(saved);
    expect(swap.usedCount).toBe(0);
    await swap.close();
  });

  it("loads the last pages alone, again after an unload, and others' records never", async () => {
    const { swap, save, load, byteOf } = await setUp();
    const first = save([1, 2, 3]);
    const second = save([4, 5]);
    await Promise.all([first.ended, second.ended]);
    await load(first.saved, [8]);
    expect(byteOf(8)).toBe(4);
    swap.unload(first.saved);
    await load(first.saved, [9, 10]);
    expect([9, 10].map(byteOf)).toEqual([3, 4]);
    swap.drop(first.saved);
    const third = save([6, 7, 0]);
    await third.ended;
    await load(second.saved, [2, 3]);
    expect([2, 3].map(byteOf)).toEqual([5, 6]);
    await load(third.saved, [4, 5, 6]);
    expect([4, 5, 6].map(byteOf)).toEqual([7, 8, 1]);
    await swap.close();
  });

  it("takes no more than its bytes", async () => {
    const { swap, save } = await setUp({ pageCountMax: 3 });
    expect([swap.hasRoomFor(3), swap.hasRoomFor(4)]).toEqual([true, false]);
    const { saved } = save([0, 1]);
    expect([swap.hasRoomFor(1), swap.hasRoomFor(2)]).toEqual([true, false]);
    expect(() => save([2, 3])).toThrow("no room for 2 pages");
    swap.drop(saved);
    await swap.close();
    await expect(setUp({ pageCountMax: 0 })).rejects.toThrow("no room for a page of 16 bytes");
    await expect(setUp({ folder: join(folder, "nowhere") })).rejects.toThrow("ENOENT");
  });

  it("gives up what is dropped while it is copied, and keeps its room until then", async () => {
    const { swap, save } = await setUp();
    const { saved, ended } = save([1, 2, 3]);
    const next = save([4]);
    swap.drop(saved);
    expect(swap.usedCount).toBe(4);
    await ended;
    expect(swap.usedCount).toBe(1);
    await next.ended;
    expect(next.saved.state).toBe("saved");
    await swap.close();
  });

  it("loses what cannot be copied, and goes on", async () => {
    const { swap, save, load, byteOf, engine } = await setUp();
    const { exportPages, importPages } = engine;
    const broken = (): never => {
      throw new Error("disk full");
    };
    Object.assign(engine, { exportPages: broken });
    const lost = save([1, 2]);
    await lost.ended;
    expect([lost.saved.state, swap.usedCount]).toEqual(["lost", 0]);
    Object.assign(engine, { exportPages });
    const kept = save([1, 2]);
    await kept.ended;
    Object.assign(engine, { importPages: broken });
    await load(kept.saved, [3, 4]);
    expect([kept.saved.state, swap.usedCount]).toEqual(["lost", 0]);
    Object.assign(engine, { importPages });
    swap.drop(kept.saved);
    expect(swap.totals.failureCount).toBe(2);
    const again = save([5]);
    await again.ended;
    await load(again.saved, [6]);
    expect(byteOf(6)).toBe(6);
    await swap.close();
  });

  it("predicts by how fast copies were", async () => {
    const { swap, save, clock } = await setUp();
    // The probe: 32 bytes in 1 ms. Ten pages are 320 bytes there and back.
    expect(swap.predictMs(10)).toBe(10);
    const { ended } = save([0]);
    clock.now += 1_000;
    await ended;
    expect(swap.predictMs(10)).toBeGreaterThan(10);
    await swap.close();
  });

  it("ends copies when it is closed, and says that they ended", async () => {
    const { swap, save } = await setUp();
    const copies = [save([1, 2, 3]), save([4, 5])];
    const woken = swap.copyEnded();
    await swap.close();
    await Promise.all([woken, ...copies.map(({ ended }) => ended), swap.copyEnded()]);
    expect([swap.copyCount, swap.usedCount]).toEqual([0, 0]);
    await swap.close();
  });
});
