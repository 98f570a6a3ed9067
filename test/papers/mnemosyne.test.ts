// Reproduces what Mnemosyne claims of adaptive chunks, with the scheduler that ships, in virtual time: a long prompt
// beside a decode. The expected seconds were computed outside of this code base for the same cost model.
import { describe, expect, it } from "vitest";
import { YI_34B } from "../../gpu-node/src/engine/testing/cost-models.ts";
import { StepPredictor } from "../../gpu-node/src/scheduler/step-predictor.ts";
import type { Arrival } from "../bench/workload.ts";
import { simulateRun, type Budget, type Machine } from "./simulated-run.ts";

const MACHINE: Machine = { cost: YI_34B, kvTokens: 240_000, runningRequestsMax: 8 };
const LONG_PROMPT: Arrival = { atMs: 0, promptTokens: 131_072, outputTokens: 1 };
/** Decodes while the long prompt is computed, so that the time of each step shows. */
const WITNESS: Arrival = { atMs: 0, promptTokens: 16, outputTokens: 2_000 };

function within(targetMs: number): Budget {
  const stepTarget = { us: targetMs * 1_000, predictor: new StepPredictor(YI_34B) };
  return { stepBudgetTokens: 8_192, stepTarget };
}

async function prefillSeconds(budget: Budget): Promise<number> {
  const [alone] = await simulateRun([LONG_PROMPT], MACHINE, budget);
  return (alone?.tokenUs[0] ?? NaN) / 1e6;
}

/** Times of the steps that the long prompt takes beside a decode, in the order of its chunks. */
async function stepSeconds(budget: Budget): Promise<number[]> {
  const [witness, long] = await simulateRun([WITNESS, LONG_PROMPT], MACHINE, budget);
  const endUs = long?.tokenUs[0] ?? NaN;
  const tokenUs = (witness?.tokenUs ?? []).filter((us) => us <= endUs);
  return tokenUs.slice(1).map((us, index) => (us - (tokenUs[index] ?? NaN)) / 1e6);
}

describe("adaptive chunks", () => {
  it("cost a long prompt no more than fixed ones at half the longest step", async () => {
    const fixed = await prefillSeconds({ stepBudgetTokens: 512 });
    const adaptive = await prefillSeconds(within(200));
    expect(fixed).toBeCloseTo(63.1, 1);
    expect(adaptive).toBeLessThan(fixed * 1.05);
  });

  it("keep every step of a long prompt within the target, where fixed ones grow with the context", async () => {
    const fixed = await stepSeconds({ stepBudgetTokens: 512 });
    const adaptive = await stepSeconds(within(200));
    expect(fixed.length).toBeGreaterThan(250);
    expect(Math.max(...fixed)).toBeGreaterThan(0.39);
    expect(Math.max(...adaptive)).toBeLessThanOrEqual(0.2);
    // The target is used: all but the last steps, whose chunk is what was left, come close to it.
    expect(Math.min(...adaptive.slice(0, -2))).toBeGreaterThan(0.18);
  });
});
