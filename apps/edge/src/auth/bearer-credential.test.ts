import { describe, expect, it } from "vitest";
import { bearerCredential } from "./bearer-credential.ts";

describe("bearerCredential", () => {
  it.each([
    ["Bearer abc", "abc"],
    ["bearer abc", "abc"],
    ["BEARER   abc  ", "abc"],
    ["Bearer", ""],
    ["Bearer a b", ""],
    ["Basic YTpi", ""],
    ["abc", ""],
    [`Bearer ${"k".repeat(256)}`, "k".repeat(256)],
    [`Bearer ${"k".repeat(257)}`, ""],
  ])("reads %j", (header, credential) => {
    expect(bearerCredential(new Headers({ authorization: header }))).toBe(credential);
  });

  it("looks nowhere else", () => {
    expect(bearerCredential(new Headers({ "x-api-key": "abc", "api-key": "abc" }))).toBeUndefined();
  });
});
