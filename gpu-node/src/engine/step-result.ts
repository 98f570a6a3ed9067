// Owns the reading of a step's result: that it is the awaited step's and sound, then the tokens of each row. What
// the tokens mean for a request is scheduler/step.ts's. Invariant: nothing of a result is used before it is checked.
import { AssertionError } from "@fairlane/base";
import type { Batch } from "../scheduler/batch.ts";
import { RESULT_HEADER, STEP_LAYOUT_VERSION, type ResultViews } from "./step-layout.ts";

const STATUS_NAMES: readonly string[] = [
  "ok",
  "bad version",
  "bad count",
  "bad slot",
  "bad page",
  "bad row",
  "bad token",
  "unmapped position",
  "bad sampling parameters",
];

/** The engine refused a plan or answered with something else than the awaited step: it cannot go on. */
export class EngineFault extends Error {
  override readonly name = "EngineFault";
}

/** Throws EngineFault unless `result` is the sound result of step `stepId` over `batch`. */
export function checkStepResult(
  result: ResultViews,
  expected: { readonly stepId: number; readonly batch: Batch; readonly vocabSize: number },
): void {
  const { header } = result;
  const { stepId, batch } = expected;
  const version = header[RESULT_HEADER.version];
  if (version !== STEP_LAYOUT_VERSION) {
    throw new EngineFault(
      `step ${stepId}: result layout ${version}, expected ${STEP_LAYOUT_VERSION}`,
    );
  }
  if (header[RESULT_HEADER.stepId] !== stepId) {
    throw new EngineFault(`step ${stepId}: the fence says step ${header[RESULT_HEADER.stepId]}`);
  }
  const status = header[RESULT_HEADER.status] ?? -1;
  if (status !== 0) {
    const name = STATUS_NAMES[status] ?? `status ${status}`;
    throw new EngineFault(`step ${stepId}: ${name} at row ${header[RESULT_HEADER.badRow]}`);
  }
  if (header[RESULT_HEADER.rows] !== batch.rowCount) {
    throw new EngineFault(
      `step ${stepId}: ${header[RESULT_HEADER.rows]} rows, expected ${batch.rowCount}`,
    );
  }
  for (let index = 0; index < batch.rowCount; index++) {
    const problem = rowProblem(result, index, expected);
    if (problem !== null) throw new EngineFault(`step ${stepId}: row ${index} ${problem}`);
  }
}

function rowProblem(
  result: ResultViews,
  index: number,
  expected: { readonly batch: Batch; readonly vocabSize: number },
): string | null {
  const { batch, vocabSize } = expected;
  const { isSampled, request } = batch.row(index);
  if (result.result_row[index] !== index) return `is answered as row ${result.result_row[index]}`;
  const tokenCount = result.result_n_out[index];
  // A mask may leave no token.
  const isMasked = isSampled && request.spec.grammar !== undefined;
  if (tokenCount !== (isSampled ? 1 : 0) && !(isMasked && tokenCount === 0)) {
    return `has ${tokenCount} tokens`;
  }
  if (tokenCount === 0) return null;
  const offset = result.result_offset[index] ?? -1;
  if (offset < 0 || offset >= (result.header[RESULT_HEADER.tokens] ?? 0)) {
    return `has its token at ${offset}`;
  }
  const token = result.result_token[offset] ?? -1;
  return token >= 0 && token < vocabSize ? null : `has token ${token} of ${vocabSize}`;
}

/** The token that a sampled row produced; null when its mask left none. The result has been checked. */
export function sampledToken(result: ResultViews, row: number): number | null {
  if (result.result_n_out[row] === 0) return null;
  const token = result.result_token[result.result_offset[row] ?? -1];
  // A message is made only when it is needed: this runs for every row of every step.
  if (token === undefined || result.result_n_out[row] !== 1)
    throw new AssertionError(`row ${row} has no token`);
  return token;
}

/** Microseconds that the engine computed. */
export function computeUsOf(result: ResultViews): number {
  return result.header[RESULT_HEADER.computeUs] ?? 0;
}
