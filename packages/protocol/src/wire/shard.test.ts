import { describe, expect, it } from "vitest";
import { fnv1a, shardOf } from "./shard.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("fnv1a", () => {
  // The published test vectors of FNV-1a, 32 bits.
  it.each([
    ["", 0x811c9dc5],
    ["a", 0xe40c292c],
    ["b", 0xe70c2de5],
    ["foobar", 0xbf9cf968],
  ])("hashes %j to %i", (text, expected) => {
    expect(fnv1a(bytes(text))).toBe(expected);
  });
});

describe("shardOf", () => {
  it("takes the hash modulo the shard count", () => {
    expect(shardOf("foobar", 1)).toBe(0);
    expect(shardOf("foobar", 2)).toBe(0);
    expect(shardOf("a", 7)).toBe(0xe40c292c % 7);
    expect(shardOf("b", 2)).toBe(1);
  });

  it("spreads request ids over the shards", () => {
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 4_000; i++) {
      const shard = shardOf(`req_01jd00000000000000000${String(i).padStart(5, "0")}`, 4);
      counts[shard] = (counts[shard] ?? 0) + 1;
    }
    for (const count of counts) expect(count).toBeGreaterThan(800);
  });

  it("takes no shard count out of range", () => {
    expect(() => shardOf("a", 0)).toThrow("shard count must be 1 to 64, got 0");
    expect(() => shardOf("a", 65)).toThrow("shard count must be 1 to 64, got 65");
  });
});
