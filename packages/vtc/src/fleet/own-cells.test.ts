import { describe, expect, it } from "vitest";
import { OwnCells, type Served } from "./own-cells.ts";

const served = (change: Partial<Served> = {}): Served => ({
  inputTokens: 0,
  cachedTokens: 0,
  outputTokens: 0,
  costUnits: 0,
  ...change,
});

function own(change: Partial<ConstructorParameters<typeof OwnCells>[0]> = {}): OwnCells {
  return new OwnCells({ epoch: 7, tenantsMax: 10, cellUnitsMax: 1_000_000, ...change });
}

describe("OwnCells", () => {
  it("tells what changed, cumulatively, each change once", () => {
    const cells = own();
    cells.setLive("a", true);
    cells.served("a", 2, served({ inputTokens: 10, cachedTokens: 4, costUnits: 100 }));
    cells.scheduled("a", 30);
    const first = {
      tenantId: "a",
      weight: 2,
      isLive: true,
      inputTokens: 10,
      cachedTokens: 4,
      outputTokens: 0,
      serviceUnits: 50,
      queueMs: 30,
      requests: 1,
    };
    expect(cells.takeUntold(10)).toEqual({ epoch: 7, cells: [first] });
    expect(cells.takeUntold(10)).toEqual({ epoch: 7, cells: [] });
    cells.served("a", 2, served({ outputTokens: 3, costUnits: 60 }));
    cells.setLive("a", false);
    expect(cells.takeUntold(10).cells).toEqual([
      { ...first, outputTokens: 3, serviceUnits: 80, isLive: false },
    ]);
  });

  it("divides by the weight in force, exactly, without touching what was charged before", () => {
    const cells = own();
    for (let charge = 0; charge < 30; charge++) cells.served("a", 3, served({ costUnits: 2 }));
    cells.served("a", 1, served({ costUnits: 5 }));
    expect(cells.takeUntold(1).cells[0]).toMatchObject({ serviceUnits: 25, weight: 1 });
  });

  it("tells no more cells at once than asked for, those that changed first first", () => {
    const cells = own();
    for (const tenantId of ["a", "b", "c"]) cells.served(tenantId, 1, served({ costUnits: 1 }));
    expect(cells.takeUntold(2).cells.map(({ tenantId }) => tenantId)).toEqual(["a", "b"]);
    expect(cells.takeUntold(2).cells.map(({ tenantId }) => tenantId)).toEqual(["c"]);
  });

  it("tells everything again to a hub that may know nothing", () => {
    const cells = own();
    cells.served("a", 1, served({ costUnits: 1 }));
    cells.takeUntold(10);
    cells.tellAll();
    expect(cells.takeUntold(10).cells).toHaveLength(1);
  });

  it("begins a new epoch when a cell is full, after the old one was told", () => {
    const cells = own({ cellUnitsMax: 100 });
    cells.setLive("a", true);
    cells.served("a", 1, served({ costUnits: 100 }));
    cells.served("b", 1, served({ costUnits: 1 }));
    expect(cells.takeUntold(1).epoch).toBe(7);
    expect(cells.takeUntold(1)).toMatchObject({ epoch: 7, cells: [{ tenantId: "b" }] });
    cells.served("a", 1, served({ costUnits: 3 }));
    expect(cells.takeUntold(10)).toMatchObject({
      epoch: 8,
      cells: [{ tenantId: "a", serviceUnits: 3, isLive: true }],
    });
  });

  it("holds at most twice the tenants when there is no hub to tell", () => {
    const cells = own({ tenantsMax: 2 });
    for (const tenantId of ["a", "b", "c", "d", "e"]) {
      cells.served(tenantId, 1, served({ costUnits: 1 }));
    }
    expect(cells.takeUntold(10)).toMatchObject({ epoch: 8, cells: [{ tenantId: "e" }] });
  });
});
