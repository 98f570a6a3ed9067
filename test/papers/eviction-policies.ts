// Owns the policies that are compared on a trace, each as hit rates: the node's evictor, least-recently-used, and a bound
// that no policy can pass. All start empty. Invariant: none but the bound sees an access before it comes.
import { Evictor, type Evictable, type EvictionEntry } from "../../gpu-node/src/memory/eviction.ts";
import type { Trace } from "./eviction-trace.ts";

/** Percent of accesses, and of the cost that they stand for, that found their object. */
export interface HitRates {
  readonly accessesPct: number;
  readonly costPct: number;
}

interface Item extends Evictable {
  readonly index: number;
}

/** `access` says whether the object was there, and makes it so. */
function replay({ objects, accesses }: Trace, access: (index: number) => boolean): HitRates {
  let [hits, savedMs, allMs] = [0, 0, 0];
  for (const index of accesses) {
    const costMs = objects[index]?.costMs ?? 0;
    allMs += costMs;
    if (!access(index)) continue;
    hits += 1;
    savedMs += costMs;
  }
  return { accessesPct: (100 * hits) / accesses.length, costPct: (100 * savedMs) / allMs };
}

export function withEvictor(trace: Trace, poolBytes: number): HitRates {
  const evictor = new Evictor<Item>({ poolBytes, floorBytes: 0, capBytes: poolBytes });
  const kept = new Map<number, EvictionEntry<Item>>();
  let usedBytes = 0;
  return replay(trace, (index) => {
    const known = kept.get(index);
    if (known !== undefined) {
      evictor.setCandidate(known, false);
      evictor.noteUse(known);
      evictor.setCandidate(known, true);
      return true;
    }
    const { kind, bytes, costMs } = trace.objects[index] ?? { kind: "kv", bytes: 1, costMs: 0 };
    while (usedBytes + bytes > poolBytes) {
      const victim = evictor.takeVictim();
      if (victim === undefined) throw new Error("nothing is left to evict");
      usedBytes -= victim.bytes;
      kept.delete(victim.index);
    }
    const key = String(index);
    const item = { index, kind, key, owner: "all", bytes, costToBringBackMs: costMs };
    const entry = evictor.add(item);
    evictor.setCandidate(entry, true);
    kept.set(index, entry);
    usedBytes += bytes;
    return false;
  });
}

export function withLru(trace: Trace, poolBytes: number): HitRates {
  const kept = new Map<number, number>();
  let usedBytes = 0;
  return replay(trace, (index) => {
    const bytes = trace.objects[index]?.bytes ?? 0;
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

/**
 * The most that any policy can hit, knowing the future (D. Berger et al., "Practical Bounds on Optimal Caching with
 * Variable Object Sizes", POMACS 2018, PFOO-L): a hit needs the object's bytes from one access to the next; the cheapest of
 * these are granted until the pool's bytes times the trace's length are spent.
 */
export function upperBound(trace: Trace, poolBytes: number): HitRates {
  return {
    accessesPct: boundOf(trace, poolBytes, () => 1),
    costPct: boundOf(trace, poolBytes, (costMs) => costMs),
  };
}

function boundOf(
  { objects, accesses }: Trace,
  poolBytes: number,
  valueOf: (costMs: number) => number,
): number {
  const lastAt = new Map<number, number>();
  const stays: { readonly size: number; readonly value: number }[] = [];
  let allValue = 0;
  for (const [at, index] of accesses.entries()) {
    const { bytes = 0, costMs = 0 } = objects[index] ?? {};
    const value = valueOf(costMs);
    allValue += value;
    const before = lastAt.get(index);
    if (before !== undefined) stays.push({ size: bytes * (at - before), value });
    lastAt.set(index, at);
  }
  stays.sort((one, other) => one.size / one.value - other.size / other.value);
  let left = poolBytes * accesses.length;
  let hitValue = 0;
  for (const { size, value } of stays) {
    const share = Math.min(1, left / size);
    hitValue += value * share;
    left -= size * share;
    if (left <= 0) break;
  }
  return (100 * hitValue) / allValue;
}
