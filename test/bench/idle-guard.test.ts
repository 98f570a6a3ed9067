import { describe, expect, it } from "vitest";
import { busyShare, parseCpuTicks } from "./idle-guard.ts";

describe("idle guard", () => {
  it("reads the ticks of all CPUs, waiting for disks not counted as work", () => {
    const text = "cpu  100 20 30 800 40 5 3 2 7 0\ncpu0 1 2 3 4 5 6 7 8 9 0\nintr 1\n";
    expect(parseCpuTicks(text)).toEqual({ busy: 160, total: 1_000 });
    expect(parseCpuTicks("")).toBeNull();
  });

  it("compares two readings", () => {
    expect(busyShare({ busy: 160, total: 1_000 }, { busy: 185, total: 1_200 })).toBe(0.125);
    expect(busyShare({ busy: 1, total: 5 }, { busy: 1, total: 5 })).toBe(0);
  });
});
