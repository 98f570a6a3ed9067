// Compares the one evictor with least-recently-used on a committed mixed trace (scripts/eviction-trace.ts): popularity
// by Zipf's law, sizes and costs that differ by kind, and long prompts that come once. Both start empty and see the same.
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { Evictor, type Evictable, type EvictionEntry } from "../../gpu-node/src/memory/eviction.ts";

interface Trace {
  /** First letter of each object's kind. */
  readonly kinds: string;
  readonly bytes: readonly number[];
  readonly costsMs: readonly number[];
  readonly accesses: readonly number[];
}

interface Item extends Evictable {
  readonly index: number;
}

/** Shares of accesses, and of the cost that they stand for, that found their object. */
interface Rates {
  readonly hits: number;
  readonly savedCost: number;
}

const KINDS = { k: "kv", a: "adapter", m: "module" } as const;
let trace: Trace;

beforeAll(() => {
  const file = new URL("../fixtures/traces/eviction-mixed.json", import.meta.url);
  trace = JSON.parse(readFileSync(file, "utf8")) as Trace;
});

/** Replays the trace; `access` says whether the object was there, and makes it so. */
function replay(access: (index: number) => boolean): Rates {
  let [hits, saved, cost] = [0, 0, 0];
  for (const index of trace.accesses) {
    const costMs = trace.costsMs[index] ?? 0;
    cost += costMs;
    if (!access(index)) continue;
    hits += 1;
    saved += costMs;
  }
  return { hits: hits / trace.accesses.length, savedCost: saved / cost };
}

function withEvictor(poolBytes: number): Rates {
  const evictor = new Evictor<Item>({ floorBytes: 0, capBytes: poolBytes });
  const kept = new Map<number, EvictionEntry<Item>>();
  let usedBytes = 0;
  return replay((index) => {
    const known = kept.get(index);
    if (known !== undefined) {
      evictor.setCandidate(known, false);
      evictor.noteUse(known);
      evictor.setCandidate(known, true);
      return true;
    }
    const bytes = trace.bytes[index] ?? 0;
    while (usedBytes + bytes > poolBytes) {
      const victim = evictor.takeVictim();
      if (victim === undefined) throw new Error("nothing is left to evict");
      usedBytes -= victim.bytes;
      kept.delete(victim.index);
    }
    const kind = KINDS[(trace.kinds[index] ?? "k") as keyof typeof KINDS];
    const costToBringBackMs = trace.costsMs[index] ?? 0;
    const entry = evictor.add({
      index,
      kind,
      key: String(index),
      owner: "all",
      bytes,
      costToBringBackMs,
    });
    evictor.setCandidate(entry, true);
    kept.set(index, entry);
    usedBytes += bytes;
    return false;
  });
}

function withLru(poolBytes: number): Rates {
  const kept = new Map<number, number>();
  let usedBytes = 0;
  return replay((index) => {
    const bytes = trace.bytes[index] ?? 0;
    const isHit = kept.delete(index);
    if (!isHit) usedBytes += bytes;
    kept.set(index, bytes);
    for (const [oldest, oldestBytes] of kept) {
      if (usedBytes <= poolBytes) break;
      kept.delete(oldest);
      usedBytes -= oldestBytes;
    }
    return isHit;
  });
}

describe("the evictor against least-recently-used, on the mixed trace", () => {
  it.each([
    { megabytes: 100, points: 10 },
    { megabytes: 300, points: 8 },
  ])("hits $points points more often in a pool of $megabytes MB", ({ megabytes, points }) => {
    const [own, lru] = [withEvictor(megabytes * 1_000_000), withLru(megabytes * 1_000_000)];
    expect(100 * (own.hits - lru.hits)).toBeGreaterThanOrEqual(points);
    // Not bought with what is dear to bring back.
    expect(own.savedCost).toBeGreaterThanOrEqual(lru.savedCost);
  });
});
