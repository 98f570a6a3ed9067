import { describe, expect, it } from "vitest";
import { arrivalsOf, readWorkload } from "./workload.ts";

function quantile(values: readonly number[], q: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(q * values.length)] ?? 0;
}

describe("arrivalsOf", () => {
  it("draws lengths like those of the trace and arrivals at the rate", async () => {
    const description = await readWorkload("sharegpt-like");
    const arrivals = arrivalsOf({ ...description, requests: 20_000, lengthScale: 1 }, 2);
    const prompts = arrivals.map(({ promptTokens }) => promptTokens);
    const outputs = arrivals.map(({ outputTokens }) => outputTokens);
    // The trace: prompt median 1,730, p90 5,696; output median 415, p90 834. Leaving out what exceeds the context
    // makes the prompts' tail shorter.
    expect(quantile(prompts, 0.5)).toBeGreaterThan(1_730 * 0.85);
    expect(quantile(prompts, 0.5)).toBeLessThan(1_730 * 1.15);
    expect(quantile(prompts, 0.9)).toBeGreaterThan(5_696 * 0.8);
    expect(quantile(prompts, 0.9)).toBeLessThan(5_696 * 1.1);
    expect(quantile(outputs, 0.5)).toBeGreaterThan(395);
    expect(quantile(outputs, 0.5)).toBeLessThan(435);
    expect(quantile(outputs, 0.9)).toBeGreaterThan(805);
    expect(quantile(outputs, 0.9)).toBeLessThan(855);
    const seconds = (arrivals.at(-1)?.atMs ?? 0) / 1_000;
    expect(20_000 / seconds).toBeGreaterThan(1.96);
    expect(20_000 / seconds).toBeLessThan(2.04);
  });

  it("repeats exactly, and another seed gives another load", async () => {
    const description = await readWorkload("sharegpt-like-quick");
    const first = arrivalsOf(description);
    expect(first).toHaveLength(24);
    expect(arrivalsOf(description)).toEqual(first);
    expect(arrivalsOf({ ...description, seed: 1 })).not.toEqual(first);
    expect(first.every(({ promptTokens }) => promptTokens <= 510)).toBe(true);
  });
});
