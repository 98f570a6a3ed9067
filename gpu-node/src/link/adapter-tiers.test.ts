import { describe, expect, it } from "vitest";
import { adapterTiers, ToldAdapters } from "./adapter-tiers.ts";

describe("adapterTiers", () => {
  it("tells the tier of each content once, the nearest first", () => {
    expect(
      adapterTiers([
        { digest: "a", state: "cold" },
        { digest: "b", state: "loading" },
        { digest: "c", state: "resident" },
        { digest: "d", state: "evicting" },
        { digest: "e", state: "host" },
        { digest: "c", state: "resident" },
      ]),
    ).toEqual([
      { digest: "c", tier: "device" },
      { digest: "d", tier: "device" },
      { digest: "b", tier: "host" },
      { digest: "e", tier: "host" },
      { digest: "a", tier: "disk" },
    ]);
  });

  it("keeps to the bound of a heartbeat", () => {
    const many = Array.from({ length: 5_000 }, (_, index) => ({
      digest: String(index),
      state: index === 4_999 ? ("resident" as const) : ("cold" as const),
    }));
    const told = adapterTiers(many);
    expect(told).toHaveLength(4_096);
    expect(told[0]).toEqual({ digest: "4999", tier: "device" });
  });
});

describe("ToldAdapters", () => {
  it("tells a link what has changed, an empty list included", () => {
    const told = new ToldAdapters();
    const one = [{ digest: "a", tier: "disk" as const }];
    expect(told.news([])).toEqual({ adapters: [] });
    expect(told.news([])).toEqual({});
    expect(told.news(one)).toEqual({ adapters: one });
    expect(told.news([...one])).toEqual({});
    expect(told.news([])).toEqual({ adapters: [] });
  });
});
