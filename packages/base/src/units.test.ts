import { describe, expect, it } from "vitest";
import { units } from "./units.ts";

describe("units", () => {
  it("counts whole pages for tokens", () => {
    expect(units.pagesForTokens(0, 16)).toBe(0);
    expect(units.pagesForTokens(1, 16)).toBe(1);
    expect(units.pagesForTokens(16, 16)).toBe(1);
    expect(units.pagesForTokens(17, 16)).toBe(2);
  });

  it("lets money be negative and nothing else", () => {
    expect(units.nanoUsd(-1)).toBe(-1);
    expect(() => units.tokens(-1)).toThrow("Tokens must be a safe integer >= 0, got -1");
    expect(() => units.bytes(-1)).toThrow("Bytes must be a safe integer >= 0, got -1");
    expect(() => units.ms(-1)).toThrow("Ms must be a safe integer >= 0, got -1");
    expect(() => units.pages(-1)).toThrow("Pages must be a safe integer >= 0, got -1");
  });

  it.each([0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY])("refuses %d", (value) => {
    expect(() => units.nanoUsd(value)).toThrow("NanoUsd must be a safe integer");
    expect(() => units.tokens(value)).toThrow("Tokens must be a safe integer");
  });
});
