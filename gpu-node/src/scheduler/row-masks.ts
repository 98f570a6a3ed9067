// Owns the masks of rows under a grammar: made ready a few a step, so that nobody waits for those of others, and written
// for the rows of a batch. Invariant: a row has its mask before it is planned.
import type { Engine } from "../engine/engine.ts";
import type { ConstrainedAnswer, GrammarStore } from "../grammar/grammar-store.ts";
import { STEP_NEW_MASKS_MAX } from "../limits.ts";
import type { RunningRequest } from "../request/request.ts";
import type { Batch } from "./batch.ts";
import { isDecodable } from "./batch-builder.ts";

/** The request's answer with its grammar; null when it has none. */
export function constrainedAnswer({ spec, outputs }: RunningRequest): ConstrainedAnswer | null {
  const { grammar, stopTokenIds } = spec;
  return grammar === undefined ? null : { grammar, stopTokenIds, outputs };
}

/** Makes masks that the decodes of a step lack; at least one of them has its own then. Steps begin at others by turns. */
export function prepareMasks(
  running: readonly RunningRequest[],
  grammars: GrammarStore,
  stepId: number,
): void {
  let left = STEP_NEW_MASKS_MAX;
  const first = stepId * STEP_NEW_MASKS_MAX;
  // Not for-of, as in batch-builder.ts.
  for (let index = 0; index < running.length && left > 0; index++) {
    const request = running[(first + index) % running.length];
    if (request?.spec.grammar === undefined) continue;
    const answer = constrainedAnswer(request);
    if (answer === null || !isDecodable(request) || grammars.isMaskReady(answer)) continue;
    grammars.prepareMask(answer);
    left -= 1;
  }
}

/** The row may be planned: it needs no mask, or has it. */
export function hasMask(request: RunningRequest, grammars: GrammarStore): boolean {
  const answer = constrainedAnswer(request);
  return answer === null || grammars.isMaskReady(answer);
}

/** Writes the masks of the rows that have one. No step in flight reads them: their requests have no other row. */
export function writeMasks(engine: Engine, batch: Batch, grammars: GrammarStore): void {
  for (let index = 0; index < batch.rowCount; index++) {
    const { request, isSampled } = batch.row(index);
    if (!isSampled || request.spec.grammar === undefined) continue;
    const answer = constrainedAnswer(request);
    if (answer !== null) grammars.writeMask(answer, engine.maskAt(request.slot));
  }
}
