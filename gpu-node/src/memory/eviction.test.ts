import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Evictor, type Evictable } from "./eviction.ts";
import { EvictionQueue, type QueueEntry } from "./eviction-queue.ts";

/** Two of item()'s ten bytes are a turnover of the pool. */
const NO_SHARES = { poolBytes: 20, floorBytes: 0, capBytes: Number.MAX_SAFE_INTEGER };

interface Named extends Evictable {
  readonly name: string;
}

function item(name: string, fields: Partial<Named> = {}): Named {
  return { name, key: name, kind: "kv", owner: "a", bytes: 10, costToBringBackMs: 1, ...fields };
}

function idle(evictor: Evictor<Named>, named: Named) {
  const entry = evictor.add(named);
  evictor.setCandidate(entry, true);
  return entry;
}

function takeAll(evictor: Evictor<Named>): string[] {
  const names: string[] = [];
  for (let next = evictor.takeVictim(); next !== undefined; next = evictor.takeVictim()) {
    names.push(next.name);
  }
  return names;
}

describe("Evictor", () => {
  it("takes what is cheap to bring back, large, or rarely used first, and the oldest of equals", () => {
    const evictor = new Evictor<Named>(NO_SHARES);
    idle(evictor, item("old"));
    idle(evictor, item("young"));
    idle(evictor, item("dear", { costToBringBackMs: 3, kind: "module" }));
    idle(evictor, item("large", { bytes: 100, kind: "adapter" }));
    const often = evictor.add(item("often"));
    evictor.noteUse(often);
    evictor.setCandidate(often, true);
    expect(takeAll(evictor)).toEqual(["large", "old", "young", "dear", "often"]);
  });

  it("never takes what is in use", () => {
    const evictor = new Evictor<Named>(NO_SHARES);
    const used = idle(evictor, item("used"));
    evictor.setCandidate(used, false);
    expect(evictor.takeVictim()).toBeUndefined();
    evictor.setCandidate(used, true);
    expect(evictor.takeVictim()?.name).toBe("used");
    expect(evictor.bytesOf("a")).toBe(0);
  });

  it("lets what was often used long ago fall behind", () => {
    const evictor = new Evictor<Named>(NO_SHARES);
    const once = evictor.add(item("once loved"));
    for (let use = 0; use < 5; use++) evictor.noteUse(once);
    evictor.setCandidate(once, true);
    let rounds = 0;
    for (; evictor.bytesOf("b") < 1_000 && rounds < 100; rounds++) {
      idle(evictor, item(`scan ${rounds}`, { owner: "b" }));
      if (evictor.takeVictim()?.name === "once loved") break;
    }
    // Its uses came at once, so the shortest half-life is believed, 0.75 turnovers of two objects: after log2(11) = 3.46
    // of them, 5.2 objects, its 5.5 uses are worth half a use.
    expect(rounds).toBe(5);
  });

  it("remembers the uses of what it evicted", () => {
    const evictor = new Evictor<Named>({ ...NO_SHARES, poolBytes: 1_000_000 });
    idle(evictor, item("back"));
    expect(evictor.takeVictim()?.name).toBe("back");
    idle(evictor, item("back"));
    idle(evictor, item("new"));
    expect(takeAll(evictor)).toEqual(["new", "back"]);
  });

  it("counts a dear object's cost less than in proportion", () => {
    const evictor = new Evictor<Named>({ ...NO_SHARES, poolBytes: 1_000_000 });
    idle(evictor, item("dear", { costToBringBackMs: 8, bytes: 50 }));
    idle(evictor, item("cheap"));
    // 8 ^ 0.7 / 50 = 0.086 is below 1 / 10
    expect(takeAll(evictor)).toEqual(["dear", "cheap"]);
  });

  it("takes from owners above the cap, then above the floor, then from all", () => {
    const evictor = new Evictor<Named>({ poolBytes: 60, floorBytes: 10, capBytes: 20 });
    for (const name of ["a1", "a2", "a3"]) {
      idle(evictor, item(name, { costToBringBackMs: 9 }));
    }
    for (const name of ["b1", "b2"]) idle(evictor, item(name, { owner: "b" }));
    idle(evictor, item("c1", { owner: "c", costToBringBackMs: 0 }));
    expect(takeAll(evictor)).toEqual(["a1", "b1", "a2", "c1", "b2", "a3"]);
  });
});

/** Owners as the naive model keeps them: it scans all of them for every victim. */
class NaiveShares {
  readonly kept: { item: Named; worthRank: number }[] = [];

  bytesOf(owner: string): number {
    const own = this.kept.filter((entry) => entry.item.owner === owner);
    return own.reduce((sum, { item: { bytes } }) => sum + bytes, 0);
  }

  rankOf({ owner }: Named): number {
    const bytes = this.bytesOf(owner);
    if (bytes > 50) return 0;
    return bytes > 20 ? 1 : 2;
  }
}

describe("Evictor, any objects of several owners", () => {
  it("takes the victim that a scan of all owners finds", () => {
    const added = fc.record({ owner: fc.constantFrom("a", "b", "c", "d"), cost: fc.nat(6) });
    const commands = fc.array(fc.oneof(added, fc.constant("take" as const)), { maxLength: 60 });
    fc.assert(
      fc.property(commands, (all) => {
        const evictor = new Evictor<Named>({ poolBytes: 1e9, floorBytes: 20, capBytes: 50 });
        const naive = new NaiveShares();
        for (const [index, command] of all.entries()) {
          if (command !== "take") {
            const { owner, cost } = command;
            const named = item(String(index), { owner, costToBringBackMs: 2 ** cost });
            idle(evictor, named);
            naive.kept.push({ item: named, worthRank: cost });
            continue;
          }
          const order = naive.kept.toSorted(
            (x, y) => naive.rankOf(x.item) - naive.rankOf(y.item) || x.worthRank - y.worthRank,
          );
          const expected = order[0]?.item;
          expect(evictor.takeVictim()?.name).toBe(expected?.name);
          if (order[0]) naive.kept.splice(naive.kept.indexOf(order[0]), 1);
        }
      }),
    );
  });
});

describe("EvictionQueue, any sequence of adds and removals", () => {
  it("has the entry first that is worth least", () => {
    const worths = fc.array(fc.tuple(fc.nat(20), fc.boolean()), { maxLength: 60 });
    fc.assert(
      fc.property(worths, (commands) => {
        const queue = new EvictionQueue<QueueEntry>();
        const model: QueueEntry[] = [];
        for (const [usedAt, [worth, isRemoval]] of commands.entries()) {
          const victim = isRemoval ? model.splice(worth % (model.length || 1), 1)[0] : undefined;
          if (victim) {
            queue.remove(victim);
          } else {
            const entry = { worth, usedAt, at: -1 };
            queue.add(entry);
            model.push(entry);
          }
          const least = model.toSorted((a, b) => a.worth - b.worth || a.usedAt - b.usedAt)[0];
          expect(queue.first).toBe(least);
          expect(queue.count).toBe(model.length);
        }
      }),
    );
  });
});
