import { describe, expect, it } from "vitest";
import { keyScopes, roleScopes, scopeNames } from "./scopes.ts";

const READS = ["usage:read", "adapters:read", "keys:read", "projects:read", "members:read"];
const MANAGES = [
  "budgets:manage",
  "keys:manage",
  "projects:manage",
  "members:manage",
  "audit:read",
  "invoices:read",
];

describe("the table of scopes", () => {
  it.each([
    ["viewer", READS],
    ["member", [...READS, "adapters:manage"]],
    ["admin", [...READS, ...MANAGES, "adapters:manage"]],
    ["owner", [...READS, ...MANAGES, "adapters:manage", "tenant:export"]],
  ] as const)("gives %s exactly its own", (role, scopes) => {
    expect(roleScopes(role).toSorted()).toEqual([...scopes].toSorted());
  });

  it("gives keys what computes, and nothing that makes members or projects", () => {
    expect(scopeNames().filter((scope) => !keyScopes().includes(scope))).toEqual([
      "projects:manage",
      "members:read",
      "members:manage",
      "tenant:export",
    ]);
    expect(keyScopes()).toEqual(expect.arrayContaining(["inference", "files", "batches"]));
  });
});
