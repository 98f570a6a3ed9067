import { describe, expect, it } from "vitest";
import { ReuseLikelihood, type Uses } from "./reuse-likelihood.ts";

/** Takes whole turnovers of a pool of one byte in. */
function turn(likelihood: ReuseLikelihood, turnovers: number): void {
  likelihood.takeIn(turnovers);
}

describe("ReuseLikelihood", () => {
  it("halves a use with every half-life", () => {
    const likelihood = new ReuseLikelihood(1);
    const old = likelihood.firstUse();
    expect(likelihood.halfLife).toBe(3);
    turn(likelihood, 6);
    const young = likelihood.firstUse();
    expect(likelihood.log2Of(young) - likelihood.log2Of(old)).toBeCloseTo(2, 9);
    likelihood.count(old);
    // 0.5 / 4 + 1 against 0.5
    expect(old.counts[1]).toBeCloseTo(1.125, 9);
    expect(likelihood.log2Of(old) - likelihood.log2Of(young)).toBeCloseTo(Math.log2(2.25), 9);
  });

  it("believes the longest half-life where uses come back after long, the shortest where they do at once", () => {
    const rarely = new ReuseLikelihood(1);
    const objects: Uses[] = Array.from({ length: 20 }, () => rarely.firstUse());
    for (let round = 0; round < 4; round++) {
      turn(rarely, 10);
      for (const uses of objects) rarely.count(uses);
    }
    turn(rarely, 1);
    expect(rarely.halfLife).toBe(12);

    const atOnce = new ReuseLikelihood(1);
    for (let round = 0; round < 20; round++) {
      const uses = atOnce.firstUse();
      turn(atOnce, 0.1);
      atOnce.count(uses);
    }
    turn(atOnce, 1);
    expect(atOnce.halfLife).toBe(0.75);
  });

  it("says when it believes another half-life, and not more often than every quarter of a turnover", () => {
    const likelihood = new ReuseLikelihood(1);
    const uses = likelihood.firstUse();
    for (let round = 0; round < 10; round++) likelihood.count(uses);
    expect([0.1, 0.1, 0.1, 0.1, 0.3].map((bytes) => likelihood.takeIn(bytes))).toEqual([
      false,
      false,
      true,
      false,
      false,
    ]);
  });
});
