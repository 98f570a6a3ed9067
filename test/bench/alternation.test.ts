import { describe, expect, it } from "vitest";
import { alternate, medianOf } from "./alternation.ts";

describe("medianOf", () => {
  it("is the middle value, or the mean of the two middle ones", () => {
    expect(medianOf([9, 1, 5])).toBe(5);
    expect(medianOf([1, 2, 10, 4])).toBe(3);
    expect(medianOf([])).toBeNaN();
  });
});

describe("alternate", () => {
  it("runs the sides in turns and takes medians over seven rounds, the first run unmeasured", async () => {
    const order: string[] = [];
    const side = (name: string, tokens: readonly number[]) => {
      let run = -1;
      return () => {
        order.push(name);
        return Promise.resolve({ seconds: 2, tokens: tokens[++run] ?? 0 });
      };
    };
    const { tokensPerSecond, rounds } = await alternate(
      {
        ours: side("a", [999, 10, 20, 30, 40, 50, 60, 70]),
        peer: side("b", [999, 7, 6, 5, 4, 3, 2, 1]),
      },
      { isQuick: false, startedMs: performance.now() },
    );
    expect(rounds).toBe(7);
    expect(tokensPerSecond).toEqual({ ours: 20, peer: 2 });
    expect(order.join("")).toBe("ab".repeat(8));
  });

  it("runs once when a quick bench has no time left", async () => {
    const { rounds } = await alternate(
      { ours: () => Promise.resolve({ seconds: 1, tokens: 3 }) },
      { isQuick: true, startedMs: -1e9 },
    );
    expect(rounds).toBe(1);
  });
});
