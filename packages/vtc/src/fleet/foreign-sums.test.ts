import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ForeignSums, type ForeignNews } from "./foreign-sums.ts";

const foreign = () => new ForeignSums({ catchUpUnitsMax: 1_000, tenantsMax: 3 });

function news(foreignUnits: number, change: Partial<ForeignNews> = {}): ForeignNews {
  const tenants = [{ tenantId: "a", foreignUnits, counterUnits: foreignUnits }];
  return { isFull: false, floorUnits: 0, tenants, ...change };
}

/** A node that has started among nobody. */
function started(): ForeignSums {
  const sums = foreign();
  sums.hear({ isFull: true, floorUnits: 0, tenants: [] });
  return sums;
}

describe("ForeignSums", () => {
  it("counts what is new of a sum", () => {
    const sums = started();
    expect(sums.hear(news(70)).tenants).toEqual([{ tenantId: "a", units: 70 }]);
    expect(sums.hear(news(100)).tenants).toEqual([{ tenantId: "a", units: 30 }]);
    expect(sums.hear(news(100)).tenants).toEqual([]);
    expect(sums.hear(news(90)).tenants).toEqual([]);
    expect(sums.hear(news(101)).tenants).toEqual([{ tenantId: "a", units: 1 }]);
  });

  it("starts everyone at the fleet's floor, and debtors above it", () => {
    const sums = foreign();
    const tenants = [
      { tenantId: "heavy", foreignUnits: 9_000, counterUnits: 5_300 },
      { tenantId: "light", foreignUnits: 10, counterUnits: 5_000 },
      { tenantId: "idle", foreignUnits: 7, counterUnits: 40 },
    ];
    const start = sums.hear({ isFull: true, floorUnits: 5_000, tenants });
    expect(start).toEqual({ tenants: [{ tenantId: "heavy", units: 300 }], floorUnits: 0 });
    // The same full telling once more changes nothing.
    expect(sums.hear({ isFull: true, floorUnits: 5_000, tenants }).tenants).toEqual([]);
    const next = { tenantId: "light", foreignUnits: 25, counterUnits: 5_015 };
    expect(sums.hear({ isFull: false, floorUnits: 5_015, tenants: [next] })).toEqual({
      tenants: [{ tenantId: "light", units: 15 }],
      floorUnits: 15,
    });
  });

  it("counts a full telling after a lost link like any other", () => {
    const sums = started();
    sums.hear(news(50));
    expect(sums.hear(news(80, { isFull: true })).tenants).toEqual([{ tenantId: "a", units: 30 }]);
  });

  it("forgives what is above the catch-up bound", () => {
    const sums = started();
    expect(sums.hear(news(5_000)).tenants).toEqual([{ tenantId: "a", units: 1_000 }]);
    expect(sums.hear(news(5_010)).tenants).toEqual([{ tenantId: "a", units: 10 }]);
  });

  it("goes on from a new zero when the hub lost its state", () => {
    const sums = started();
    sums.hear(news(5_000, { floorUnits: 4_000 }));
    expect(sums.hear(news(20, { floorUnits: 10 }))).toEqual({ tenants: [], floorUnits: 4_000 });
    expect(sums.hear(news(50, { floorUnits: 40 }))).toEqual({
      tenants: [{ tenantId: "a", units: 30 }],
      floorUnits: 4_030,
    });
  });

  it("remembers the tenants that changed last", () => {
    const sums = started();
    for (const tenantId of ["a", "b", "c", "d"]) {
      sums.hear(news(0, { tenants: [{ tenantId, foreignUnits: 10, counterUnits: 10 }] }));
    }
    // "a" went first and counts as unheard of.
    expect(sums.hear(news(10)).tenants).toEqual([{ tenantId: "a", units: 10 }]);
  });

  it("counts each unit once, however sums are repeated and reordered", () => {
    const heard = fc.array(fc.nat(1_000), { minLength: 1 });
    fc.assert(
      fc.property(heard, (told) => {
        const sums = started();
        let counted = 0;
        for (const sum of told) {
          for (const { units } of sums.hear(news(sum)).tenants) counted += units;
        }
        expect(counted).toBe(Math.max(...told));
      }),
    );
  });
});
