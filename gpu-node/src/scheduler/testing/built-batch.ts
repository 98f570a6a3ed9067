// Owns the building of a batch from given running and waiting requests, for the tests of the batch builder.
import type { RunningRequest } from "../../request/request.ts";
import { Batch } from "../batch.ts";
import { buildBatch } from "../batch-builder.ts";

export interface BatchSetting {
  readonly running: readonly RunningRequest[];
  /** Each of these fits. */
  readonly waiting?: readonly RunningRequest[];
  readonly stepBudgetTokens: number;
  readonly prefillShareMinTokens?: number;
}

/** The batch of a step, and how many of the waiting requests joined. */
export function builtBatch(setting: BatchSetting): { batch: Batch; joinCount: number } {
  const batch = new Batch(64);
  const waiting = setting.waiting ?? [];
  let joinCount = 0;
  buildBatch(batch, {
    running: setting.running,
    stepBudgetTokens: setting.stepBudgetTokens,
    prefillShareMinTokens: setting.prefillShareMinTokens ?? 2,
    joinNext() {
      const next = waiting[joinCount];
      if (next === undefined) return null;
      joinCount += 1;
      return next;
    },
  });
  return { batch, joinCount };
}
