import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Evictor, type Evictable } from "./eviction.ts";
import { EvictionQueue, type QueueEntry } from "./eviction-queue.ts";

const NO_SHARES = { floorBytes: 0, capBytes: Number.MAX_SAFE_INTEGER };

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
    expect(rounds).toBeGreaterThan(3);
    expect(rounds).toBeLessThan(40);
  });

  it("takes from owners above the cap, then above the floor, then from all", () => {
    const evictor = new Evictor<Named>({ floorBytes: 10, capBytes: 20 });
    for (const name of ["a1", "a2", "a3"]) {
      idle(evictor, item(name, { costToBringBackMs: 9 }));
    }
    for (const name of ["b1", "b2"]) idle(evictor, item(name, { owner: "b" }));
    idle(evictor, item("c1", { owner: "c", costToBringBackMs: 0 }));
    expect(takeAll(evictor)).toEqual(["a1", "b1", "a2", "c1", "b2", "a3"]);
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
