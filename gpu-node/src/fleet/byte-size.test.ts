import { describe, expect, it } from "vitest";
import { formatBytes, parseBytes } from "./byte-size.ts";

describe("parseBytes", () => {
  it.each([
    ["123", 123],
    ["0", 0],
    ["2GiB", 2_147_483_648],
    ["2gib", 2_147_483_648],
    ["500MB", 500_000_000],
    ["1.5 KiB", 1_536],
    ["1TB", 1_000_000_000_000],
    ["7B", 7],
  ])("takes %s", (text, bytes) => expect(parseBytes(text)).toBe(bytes));

  it.each(["", "GiB", "-1", "1e9", "2 gigabytes", "1..5GB", "0x10", "1,5GB"])(
    "takes %j for no size",
    (text) => expect(parseBytes(text)).toBeNaN(),
  );
});

describe("formatBytes", () => {
  it.each([
    [0, "0B"],
    [1_023, "1023B"],
    [1_536, "1.5KiB"],
    [2_147_483_648, "2GiB"],
    [189_000_000, "180.2MiB"],
    [2 ** 44, "16TiB"],
  ])("says %d as %s", (bytes, text) => expect(formatBytes(bytes)).toBe(text));
});
