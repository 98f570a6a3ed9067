import { expect, it } from "vitest";
import { metricsOf } from "./scenarios/ops.ts";

const LIMITS = { peak_gops: 900, dram_gb_s: 30 };

it("gives a decode's matrix as shares of peak and read rate", () => {
  const op = {
    op: "qkv",
    load: "decode",
    rows: 8,
    us: 100,
    operations: 9e6,
    bytes: 1.5e6,
  } as const;
  expect(metricsOf(op, LIMITS)).toEqual({
    decode8_qkv_us: 100,
    decode8_qkv_peak_fraction: 0.1,
    decode8_qkv_read_fraction: 0.5,
  });
});

it("gives no share of what is not counted", () => {
  const norm = { op: "norm", load: "decode", rows: 1, us: 4, operations: 0, bytes: 0 } as const;
  expect(metricsOf(norm, LIMITS)).toEqual({ decode1_norm_us: 4 });
  const prompt = { op: "o", load: "prefill", rows: 512, us: 1, operations: 900, bytes: 7 } as const;
  expect(metricsOf(prompt, LIMITS)).toEqual({
    prefill512_o_us: 1,
    prefill512_o_peak_fraction: 0.001,
  });
});
