import { describe, expect, it } from "vitest";
import { FleetCounters } from "./fleet-counters.ts";

function fleet() {
  const served = new Map<string, number>();
  const counters = new FleetCounters((tenantId) => served.get(tenantId) ?? 0);
  return { served, counters };
}

describe("FleetCounters", () => {
  it("lifts who becomes active to the smallest counter of the active ones", () => {
    const { served, counters } = fleet();
    counters.setLive("a", "n1", true);
    counters.setLive("b", "n2", true);
    served.set("a", 100);
    served.set("b", 70);
    counters.setLive("new", "n1", true);
    expect(counters.counterOf("new")).toBe(70);
    expect(counters.floor()).toBe(70);
  });

  it("keeps the debt of who returns above the others", () => {
    const { served, counters } = fleet();
    served.set("a", 10);
    served.set("heavy", 500);
    counters.setLive("a", "n1", true);
    counters.setLive("heavy", "n1", true);
    expect(counters.counterOf("heavy")).toBe(500);
    expect(counters.liftOf("heavy")).toBe(0);
  });

  it("does not lift who is active at another node already", () => {
    const { served, counters } = fleet();
    counters.setLive("a", "n1", true);
    counters.setLive("b", "n1", true);
    served.set("b", 90);
    counters.setLive("a", "n2", true);
    expect(counters.counterOf("a")).toBe(0);
    counters.setLive("a", "n1", false);
    expect(counters.isActive("a")).toBe(true);
  });

  it("keeps the counter of the last that left as the floor", () => {
    const { served, counters } = fleet();
    counters.setLive("a", "n1", true);
    served.set("a", 400);
    counters.setLive("a", "n1", false);
    served.set("never seen", 3);
    expect(counters.floor()).toBe(400);
    counters.setLive("never seen", "n2", true);
    expect(counters.counterOf("never seen")).toBe(400);
  });

  it("takes a lost node's requests for gone", () => {
    const { counters } = fleet();
    counters.setLive("a", "n1", true);
    counters.setLive("b", "n1", true);
    counters.setLive("b", "n2", true);
    counters.nodeLost("n1");
    expect(counters.activeIds).toEqual(["b"]);
  });

  it("goes on from what an earlier hub kept, and never lowers it", () => {
    const { counters } = fleet();
    counters.restore({ floorUnits: 50, lifts: [{ tenantId: "a", units: 20 }] });
    counters.restore({ floorUnits: 40, lifts: [{ tenantId: "a", units: 10 }] });
    expect(counters.counterOf("a")).toBe(20);
    expect(counters.floor()).toBe(50);
  });
});
