import { describe, expect, it } from "vitest";
import type { KeyTerms } from "../rpc/account-key.ts";
import { widerTerm } from "./within-terms.ts";

const OPEN: KeyTerms = {
  scopes: ["inference", "keys:manage"],
  allowedModels: null,
  allowedAdapters: null,
  allowedIps: null,
  expiresAtMs: null,
};
const NARROW: KeyTerms = {
  scopes: ["keys:manage"],
  allowedModels: ["small", "large"],
  allowedAdapters: [],
  allowedIps: ["10.0.0.0/8"],
  expiresAtMs: 2_000,
};

describe("what a key hands on", () => {
  it("may be all that it has, and less", () => {
    expect(widerTerm(OPEN, OPEN)).toBeUndefined();
    expect(widerTerm(NARROW, OPEN)).toBeUndefined();
    expect(widerTerm(NARROW, NARROW)).toBeUndefined();
    const less = { ...NARROW, allowedModels: ["large"], allowedIps: [], expiresAtMs: 1_999 };
    expect(widerTerm(less, NARROW)).toBeUndefined();
  });

  it.each([
    ["scopes", { scopes: ["keys:manage", "inference"] }],
    ["allowedModels", { allowedModels: ["small", "huge"] }],
    ["allowedModels", { allowedModels: null }],
    ["allowedAdapters", { allowedAdapters: ["adp_a"] }],
    ["allowedAdapters", { allowedAdapters: null }],
    ["allowedIps", { allowedIps: ["11.0.0.0/8"] }],
    ["allowedIps", { allowedIps: null }],
    ["expiresAtMs", { expiresAtMs: 2_001 }],
    ["expiresAtMs", { expiresAtMs: null }],
  ] as const)("is never more: %s %j", (name, wider) => {
    expect(widerTerm({ ...NARROW, ...wider }, NARROW)).toBe(name);
  });
});
