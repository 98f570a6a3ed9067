import { describe, expect, it } from "vitest";
import { TierTurns } from "./tier-turns.ts";

const STARVED = { hasWork: true, gotTokens: false };

describe("TierTurns", () => {
  it("gives the batch tier its turn after seven starved steps, until it gets tokens", () => {
    const turns = new TierTurns();
    const firsts: string[] = [];
    for (let step = 0; step < 10; step++) {
      firsts.push(turns.order[0]);
      // Its turn comes, but in the eighth and ninth step nothing of it fits.
      turns.stepBuilt({ hasWork: true, gotTokens: step === 9 });
    }
    expect(firsts.slice(0, 7)).toEqual(Array.from({ length: 7 }, () => "interactive"));
    expect(firsts.slice(7)).toEqual(["batch", "batch", "batch"]);
    expect(turns.order).toEqual(["interactive", "batch"]);
  });

  it("starts to count anew when the batch tier has nothing to do", () => {
    const turns = new TierTurns();
    for (let step = 0; step < 6; step++) turns.stepBuilt(STARVED);
    turns.stepBuilt({ hasWork: false, gotTokens: false });
    turns.stepBuilt(STARVED);
    expect(turns.order[0]).toBe("interactive");
  });
});
