import { describe, expect, it } from "vitest";
import { ledgerOf } from "./ledger-map.ts";

describe("ledgerOf", () => {
  it("finds a tenant's own ledger and the shared one for everybody else", () => {
    const map = { fallback: "shared", byTenant: new Map([["ten_big", "own"]]) };
    expect(ledgerOf(map, "ten_big")).toBe("own");
    expect(ledgerOf(map, "ten_small")).toBe("shared");
  });
});
