import { describe, expect, it } from "vitest";
import { formatTime } from "./format-time.ts";

const TIME_MS = Date.UTC(2026, 0, 2, 3, 4, 5);

describe("formatTime", () => {
  it("prints the codes that templates use", () => {
    expect(formatTime(TIME_MS, "%d %b %Y")).toBe("02 Jan 2026");
    expect(formatTime(TIME_MS, "%B %m %H:%M:%S 100%%")).toBe("January 01 03:04:05 100%");
  });

  it("leaves codes that it does not know", () => {
    expect(formatTime(TIME_MS, "%Q %")).toBe("%Q %");
  });
});
