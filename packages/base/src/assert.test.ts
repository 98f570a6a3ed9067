import { describe, expect, it } from "vitest";
import { assert, AssertionError } from "./assert.ts";
import { err, ok } from "./result.ts";

describe("assert", () => {
  it("throws an AssertionError with its message when the condition is false", () => {
    expect(() => assert(1 < 0, "one is not below zero")).toThrow(AssertionError);
    expect(() => assert(1 < 0, "one is not below zero")).toThrow("one is not below zero");
    expect(() => assert(0 < 1, "zero is below one")).not.toThrow();
  });
});

describe("Result", () => {
  it("tells a value from an error", () => {
    expect(ok(1)).toEqual({ ok: true, value: 1 });
    expect(err("no")).toEqual({ ok: false, error: "no" });
  });
});
