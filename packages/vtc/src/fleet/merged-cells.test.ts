// Literal cases of the merged counter; that order, repetition and loss do not matter is merged-cells.prop.test.ts's.
import { describe, expect, it } from "vitest";
import { NO_SERVICE, type ServiceCell } from "./cell.ts";
import { MergedCells } from "./merged-cells.ts";

const cellOf = (serviceUnits: number): ServiceCell => ({ ...NO_SERVICE, serviceUnits });

function cells(limits = { tenantsMax: 10, nodeEpochsMax: 2 }): MergedCells {
  return new MergedCells(limits);
}

describe("MergedCells", () => {
  it("adds the cells of all nodes and tells each node the others' sum", () => {
    const merged = cells();
    merged.merge({ tenantId: "a", nodeId: "n1", epoch: 5 }, cellOf(100));
    merged.merge({ tenantId: "a", nodeId: "n2", epoch: 7 }, cellOf(30));
    expect(merged.total("a")).toEqual(cellOf(130));
    expect(merged.foreignUnits({ tenantId: "a", nodeId: "n1", epoch: 5 })).toBe(30);
    expect(merged.foreignUnits({ tenantId: "a", nodeId: "n2", epoch: 7 })).toBe(100);
    expect(merged.foreignUnits({ tenantId: "b", nodeId: "n1", epoch: 5 })).toBe(0);
  });

  it("says what a copy brought, each count for itself", () => {
    const merged = cells();
    const source = { tenantId: "a", nodeId: "n1", epoch: 5 };
    merged.merge(source, { ...NO_SERVICE, inputTokens: 8, queueMs: 3, requests: 1 });
    const growth = merged.merge(source, { ...NO_SERVICE, inputTokens: 10, outputTokens: 2 });
    expect(growth).toEqual({ ...NO_SERVICE, inputTokens: 2, outputTokens: 2 });
    expect(merged.total("a")).toEqual({
      ...NO_SERVICE,
      inputTokens: 10,
      outputTokens: 2,
      queueMs: 3,
      requests: 1,
    });
    expect(merged.merge(source, cellOf(0))).toBeNull();
  });

  it("keeps a restarted node's earlier epochs, which are foreign to its new one", () => {
    const merged = cells();
    merged.merge({ tenantId: "a", nodeId: "n1", epoch: 5 }, cellOf(100));
    merged.merge({ tenantId: "a", nodeId: "n1", epoch: 9 }, cellOf(1));
    expect(merged.total("a")).toEqual(cellOf(101));
    expect(merged.foreignUnits({ tenantId: "a", nodeId: "n1", epoch: 9 })).toBe(100);
    // Epochs that one boot went through by itself are its own.
    expect(merged.foreignUnits({ tenantId: "a", nodeId: "n1", epoch: 5 })).toBe(0);
  });

  it("closes the oldest epoch of a node, keeps what it said and takes nothing more of it", () => {
    const merged = cells();
    for (const epoch of [1, 2, 3]) {
      merged.merge({ tenantId: "a", nodeId: "n1", epoch }, cellOf(10));
    }
    expect(merged.closedThrough("n1")).toBe(1);
    expect(merged.merge({ tenantId: "a", nodeId: "n1", epoch: 1 }, cellOf(99))).toBeNull();
    expect(merged.merge({ tenantId: "a", nodeId: "n1", epoch: 2 }, cellOf(12))).toEqual(cellOf(2));
    expect(merged.total("a")).toEqual(cellOf(32));
  });

  it("goes on from closed sums that an earlier hub kept", () => {
    const merged = cells();
    merged.restoreClosed({
      tenants: [{ tenantId: "a", cell: cellOf(500) }],
      nodes: [{ nodeId: "n1", throughEpoch: 4 }],
    });
    expect(merged.merge({ tenantId: "a", nodeId: "n1", epoch: 4 }, cellOf(50))).toBeNull();
    merged.merge({ tenantId: "a", nodeId: "n1", epoch: 5 }, cellOf(50));
    expect(merged.total("a")).toEqual(cellOf(550));
    expect(merged.foreignUnits({ tenantId: "a", nodeId: "n1", epoch: 5 })).toBe(500);
  });

  it("takes no more tenants than it may", () => {
    const merged = cells({ tenantsMax: 1, nodeEpochsMax: 2 });
    merged.merge({ tenantId: "a", nodeId: "n1", epoch: 1 }, cellOf(1));
    expect(merged.merge({ tenantId: "b", nodeId: "n1", epoch: 1 }, cellOf(1))).toBeNull();
    expect(merged.has("b")).toBe(false);
    expect(merged.tenantIds).toEqual(["a"]);
  });
});
