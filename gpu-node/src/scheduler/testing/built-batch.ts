// Owns the building of a batch from given running and waiting requests, for the tests of the batch builder.
import type { RunningRequest } from "../../request/request.ts";
import { Batch } from "../batch.ts";
import { buildBatch } from "../batch-builder.ts";
import type { StepBudget } from "../step-budget.ts";
import type { Tier } from "../tier-turns.ts";

export interface BatchSetting {
  readonly running: readonly RunningRequest[];
  /** Each of these fits. */
  readonly waiting?: readonly RunningRequest[];
  readonly budget: StepBudget;
  readonly tierOrder?: readonly Tier[];
}

/** The batch of a step, and how many of the waiting requests joined. */
export function builtBatch(setting: BatchSetting): { batch: Batch; joinCount: number } {
  const batch = new Batch(64);
  const { running, budget, tierOrder = ["interactive", "batch"] } = setting;
  const waiting = [...(setting.waiting ?? [])];
  let joinCount = 0;
  buildBatch(batch, {
    running,
    budget,
    tierOrder,
    hasMask: () => true,
    mayBegin: () => true,
    joinNext(tier) {
      const index = waiting.findIndex((request) => request.spec.tier === tier);
      if (index < 0) return null;
      joinCount += 1;
      return waiting.splice(index, 1)[0] ?? null;
    },
  });
  return { batch, joinCount };
}
