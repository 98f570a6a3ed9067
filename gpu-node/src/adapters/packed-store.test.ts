import { readdir, truncate, utimes } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { PackedAdapter } from "../engine/adapter-spec.ts";
import { temporaryFolder } from "../model/testing/corrupt-copy.ts";
import { PackedStore } from "./packed-store.ts";
import { digestOf } from "./testing/adapter-rig.ts";

const PAGE_BYTES = 64;
/** Of one page: its image and a table of two words. */
const ONE_BYTES = PAGE_BYTES + 8;

function packed(fill: number, pageCount = 1): PackedAdapter {
  return {
    pageCount,
    images: new Uint8Array(pageCount * PAGE_BYTES).fill(fill),
    table: Int32Array.of(fill, pageCount),
  };
}

function open(folder: string, memoryBytesMax: number, layout = "test-1"): Promise<PackedStore> {
  return PackedStore.open({ folder, layout, pageBytes: PAGE_BYTES, memoryBytesMax });
}

describe("PackedStore", () => {
  it("keeps what was used last in memory, and says who had to go", async () => {
    await using folder = await temporaryFolder();
    const store = await open(folder.path, 2 * ONE_BYTES);
    const dropped: string[] = [];
    store.watchDropped((digest) => dropped.push(digest));
    await store.write(digestOf(1), packed(1));
    await store.write(digestOf(2), packed(2));
    expect(store.get(digestOf(1))).toEqual(packed(1));
    await store.write(digestOf(3), packed(3));
    expect(dropped).toEqual([digestOf(2)]);
    expect([1, 2, 3].map((index) => store.has(digestOf(index)))).toEqual([true, false, true]);
    expect([store.memoryBytes, store.droppedCount]).toEqual([2 * ONE_BYTES, 1]);
    expect(await store.read(digestOf(2))).toEqual(packed(2));
    expect(dropped).toEqual([digestOf(2), digestOf(1)]);
  });

  it("has in a later run what was written in an earlier one, under the same layout only", async () => {
    await using folder = await temporaryFolder();
    await (await open(folder.path, 0)).write(digestOf(1), packed(7, 3));
    const later = await open(folder.path, 0);
    expect(later.has(digestOf(1))).toBe(false);
    expect(await later.read(digestOf(1))).toEqual(packed(7, 3));
    expect(later.memoryBytes).toBe(0);
    const other = await open(folder.path, 0, "test-2");
    expect(await other.read(digestOf(1))).toBeUndefined();
  });

  it("reads no file that was cut, and none of another page size", async () => {
    await using folder = await temporaryFolder();
    const store = await open(folder.path, 0);
    await store.write(digestOf(1), packed(1, 2));
    const [name = ""] = await readdir(folder.path);
    expect(name).toBe(`${digestOf(1)}.test-1.packed`);
    const wide = { folder: folder.path, layout: "test-1", pageBytes: 32, memoryBytesMax: 0 };
    expect(await (await PackedStore.open(wide)).read(digestOf(1))).toBeUndefined();
    await truncate(join(folder.path, name), 100);
    expect(await store.read(digestOf(1))).toBeUndefined();
    await truncate(join(folder.path, name), 3);
    expect(await store.read(digestOf(1))).toBeUndefined();
  });

  it("forgets in memory and on disk, in the order in which it was told", async () => {
    await using folder = await temporaryFolder();
    const store = await open(folder.path, 1_000);
    const written = store.write(digestOf(1), packed(1));
    const removed = store.remove(digestOf(1));
    const again = store.write(digestOf(1), packed(2));
    await Promise.all([written, removed, again]);
    expect(await store.read(digestOf(1))).toEqual(packed(2));
    await store.remove(digestOf(1));
    expect(store.has(digestOf(1))).toBe(false);
    expect(await store.read(digestOf(1))).toBeUndefined();
    expect(await readdir(folder.path)).toEqual([]);
  });

  it("removes the files that were unused for longest once there are too many bytes", async () => {
    await using folder = await temporaryFolder();
    const store = await open(folder.path, 0);
    for (const index of [1, 2, 3]) {
      await store.write(digestOf(index), packed(index));
      const path = join(folder.path, `${digestOf(index)}.test-1.packed`);
      await utimes(path, 1_000 * index, 1_000 * index);
    }
    // Each file is a header of 16 bytes and what is in memory.
    const diskBytesMax = 2 * (16 + ONE_BYTES);
    const options = { folder: folder.path, layout: "test-1", pageBytes: PAGE_BYTES };
    await PackedStore.open({ ...options, memoryBytesMax: 0, diskBytesMax });
    const left = (await readdir(folder.path)).toSorted();
    expect(left.map((name) => Number.parseInt(name, 16))).toHaveLength(2);
    expect(await store.read(digestOf(1))).toBeUndefined();
  });
});
