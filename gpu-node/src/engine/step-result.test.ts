import { describe, expect, it } from "vitest";
import { BlockTable } from "../memory/block-table.ts";
import { joinRunning } from "../request/request.ts";
import { Batch } from "../scheduler/batch.ts";
import { stepCapacityFor } from "../scheduler/scheduler-parts.ts";
import { engineRequest } from "../scheduler/testing/engine-request.ts";
import {
  layoutBytes,
  RESULT_COLUMNS,
  RESULT_HEADER,
  resultViews,
  STEP_LAYOUT_VERSION,
  type ResultViews,
} from "./step-layout.ts";
import { checkStepResult, computeUsOf, sampledToken } from "./step-result.ts";

/** Row 0 is a chunk in the middle of a prompt, row 1 ends one. */
function twoRows(): Batch {
  const batch = new Batch(4);
  for (const [slot, tokenCount] of [
    [0, 3],
    [1, 4],
  ] as const) {
    const queued = {
      state: "queued",
      spec: engineRequest(`${slot}`),
      outputTokensMax: 8,
      latestStartMs: 0,
    } as const;
    const place = { slot, blocks: new BlockTable(4), scheduledAtMs: 0 };
    batch.addChunk(joinRunning(queued, place), tokenCount);
  }
  return batch;
}

function soundResult(): ResultViews {
  const capacity = stepCapacityFor({ slotCount: 4, stepBudgetTokens: 32 });
  const result = resultViews(capacity, new ArrayBuffer(layoutBytes(RESULT_COLUMNS, capacity)));
  result.header.set([STEP_LAYOUT_VERSION, 5, 2, 0, -1, 1, 1234]);
  result.result_row.set([0, 1]);
  result.result_n_out.set([0, 1]);
  result.result_offset.set([0, 0]);
  result.result_token.set([42]);
  return result;
}

function check(spoil: (result: ResultViews) => void): () => void {
  const result = soundResult();
  spoil(result);
  return () => checkStepResult(result, { stepId: 5, batch: twoRows(), vocabSize: 50 });
}

describe("checkStepResult", () => {
  it("accepts the awaited step's result, whose tokens can then be read", () => {
    expect(check(() => {})).not.toThrow();
    expect(sampledToken(soundResult(), 1)).toBe(42);
    expect(computeUsOf(soundResult())).toBe(1234);
    expect(sampledToken(soundResult(), 0)).toBeNull();
  });

  it("names what is wrong with any other", () => {
    const header = (field: keyof typeof RESULT_HEADER, value: number) =>
      check((result) => {
        result.header[RESULT_HEADER[field]] = value;
      });
    expect(header("version", 1)).toThrow("step 5: result layout 1, expected 4");
    expect(header("stepId", 4)).toThrow("step 5: the fence says step 4");
    expect(header("status", 7)).toThrow("step 5: unmapped position at row -1");
    expect(header("status", 99)).toThrow("step 5: status 99");
    expect(header("rows", 1)).toThrow("step 5: 1 rows, expected 2");
    expect(header("tokens", 0)).toThrow("step 5: row 1 has its token at 0");
    expect(check((result) => result.result_row.set([0, 0]))).toThrow("row 1 is answered as row 0");
    expect(check((result) => result.result_n_out.set([1, 1]))).toThrow("row 0 has 1 tokens");
    expect(check((result) => result.result_n_out.set([0, 0]))).toThrow("row 1 has 0 tokens");
    expect(check((result) => result.result_token.set([50]))).toThrow("row 1 has token 50 of 50");
    expect(check((result) => result.result_token.set([-1]))).toThrow("row 1 has token -1 of 50");
  });
});
