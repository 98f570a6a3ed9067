import { describe, expect, it } from "vitest";
import type { PackedAdapter } from "../engine/adapter-spec.ts";
import { Adapter } from "./adapter.ts";
import { AdapterReads } from "./adapter-reads.ts";

const PACKED: PackedAdapter = { pageCount: 1, images: new Uint8Array(8), table: new Int32Array(2) };

/** Reads that end when the test says so, from a store whose memory has no room. */
function setUp() {
  const ends = new Map<string, (packed: PackedAdapter | undefined) => void>();
  const moves: string[] = [];
  const reads = new AdapterReads({
    store: {
      get: () => undefined,
      has: () => false,
      read: (digest) => new Promise((resolve) => ends.set(digest, resolve)),
    },
    nowUs: () => 0,
    moved: (adapter, state) => moves.push(`${adapter.key} ${state}`),
    failed: (adapter) => moves.push(`${adapter.key} failed`),
  });
  const adapters = Array.from({ length: 30 }, (_, index) => {
    return new Adapter({ digest: `a${index}`, pageCount: 1, pageBytes: 8 }, "cold", () => {});
  });
  const at = (index: number): Adapter => {
    const adapter = adapters[index];
    if (adapter === undefined) throw new Error(`no adapter ${index}`);
    return adapter;
  };
  const end = async (index: number, packed: PackedAdapter | null = PACKED) => {
    ends.get(`a${index}`)?.(packed ?? undefined);
    await Promise.resolve();
    await Promise.resolve();
  };
  return { reads, moves, at, end };
}

describe("AdapterReads", () => {
  it("reads eight at once, and keeps what was read until it is taken", async () => {
    const { reads, at, end } = setUp();
    for (let index = 0; index < 10; index++) reads.begin(at(index), false);
    expect([reads.count, reads.has(at(7)), reads.has(at(8))]).toEqual([8, true, false]);
    await end(3);
    expect([reads.count, reads.find(at(3))]).toEqual([7, PACKED]);
    reads.begin(at(8), false);
    expect(reads.has(at(8))).toBe(false);
    reads.take(at(3));
    reads.begin(at(8), false);
    expect([reads.has(at(8)), reads.find(at(3))]).toEqual([true, undefined]);
  });

  it("has a place for the request whose turn it is, at the cost of what was read last", async () => {
    const { reads, moves, at, end } = setUp();
    for (let index = 0; index < 8; index++) reads.begin(at(index), false);
    for (let index = 0; index < 8; index++) await end(index);
    moves.length = 0;
    reads.begin(at(20), true);
    expect([reads.has(at(20)), moves]).toEqual([true, ["a7 cold"]]);
    await end(20);
    // Turns change again and again, and what waits for pages stays where it is.
    reads.begin(at(21), true);
    expect(reads.has(at(21))).toBe(true);
    expect(reads.find(at(0))).toBe(PACKED);
  });

  it("reads no more than twice as many whatever turns come", () => {
    const { reads, at } = setUp();
    for (let index = 0; index < 30; index++) reads.begin(at(index), true);
    expect(reads.count).toBe(16);
  });

  it("forgets what was read for requests whose turns do not come next any more", async () => {
    const { reads, moves, at, end } = setUp();
    for (const index of [0, 1]) reads.begin(at(index), false);
    for (const index of [0, 1]) await end(index);
    reads.keepOnly(new Set([at(1)]));
    expect([reads.find(at(0)), reads.find(at(1))]).toEqual([undefined, PACKED]);
    expect(moves).toEqual(["a0 host", "a1 host", "a0 cold"]);
  });

  it("says what cannot be read, and wakes who waits for a read", async () => {
    const { reads, moves, at, end } = setUp();
    reads.begin(at(0), false);
    const next = reads.next();
    await end(0, null);
    await next;
    expect(moves).toEqual(["a0 failed"]);
    await reads.next();
  });
});
