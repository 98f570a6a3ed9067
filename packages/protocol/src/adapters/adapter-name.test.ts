import { describe, expect, it } from "vitest";
import { adapterText, parseModelName } from "./adapter-name.ts";

const TENANT = "ten_01jd0000000000000000000001";

describe("parseModelName", () => {
  it("leaves the name of a base model alone", () => {
    expect(parseModelName("vendor/small-model")).toEqual({
      base: "vendor/small-model",
      adapter: undefined,
    });
  });

  it.each([
    ["m:support", { owner: undefined, name: "support", version: undefined }],
    ["m:support@latest", { owner: undefined, name: "support", version: undefined }],
    ["m:support@12", { owner: undefined, name: "support", version: 12 }],
    [`m:${TENANT}/support`, { owner: TENANT, name: "support", version: undefined }],
    [`m:${TENANT}/sup.port_2-x@3`, { owner: TENANT, name: "sup.port_2-x", version: 3 }],
  ])("takes %s apart", (text, adapter) => {
    expect(parseModelName(text)).toEqual({ base: "m", adapter });
  });

  it("separates at the last colon", () => {
    expect(parseModelName("a:b:support")?.base).toBe("a:b");
  });

  it.each([
    "m:",
    "m:Support",
    "m:-support",
    "m:support-",
    `m:${"a".repeat(65)}`,
    "m:support@",
    "m:support@0",
    "m:support@01",
    "m:support@1000001",
    "m:support@newest",
    "m:other/support",
    `m:${TENANT}/`,
    `m:${TENANT}/a/b`,
    "m:a@1@2",
  ])("refuses %s", (text) => {
    expect(parseModelName(text)).toBeUndefined();
  });
});

describe("adapterText", () => {
  it("writes what parseModelName reads", () => {
    expect(adapterText({ owner: TENANT, name: "support", version: 3 })).toBe(`${TENANT}/support@3`);
    expect(adapterText({ owner: TENANT, name: "support" })).toBe(`${TENANT}/support`);
  });
});
