// Owns what is said of the step budget when a node starts: how long a step may take, and what that leaves for a prompt at
// a few positions. It decides nothing.
import type { StepBudgetFacts } from "../engine/worker-messages.ts";
import { pairsOfChunk } from "./step-cost-model.ts";
import type { StepBudget } from "./step-budget.ts";

/** The budget of an engine, with the largest chunks of a prompt that is computed alone. */
export function stepBudgetFacts(budget: StepBudget, contextTokens: number): StepBudgetFacts {
  const { target, tokens } = budget;
  if (target === null) return { tokens, targetMs: null, chunks: [] };
  const empty = { tokens: 0, decodes: 0, decodeContextTokens: 0, chunkPairs: 0 };
  const positions = [0, Math.floor(contextTokens / 2)];
  const chunks = positions.map((firstPosition) => {
    const leftTokens = Number.MAX_SAFE_INTEGER;
    const chunkTokens = budget.chunkTokens(empty, { firstPosition, leftTokens });
    const chunkPairs = pairsOfChunk(chunkTokens, firstPosition);
    const us = target.predictor.predictUs({ ...empty, tokens: chunkTokens, chunkPairs });
    return { firstPosition, tokens: chunkTokens, predictedMs: us / 1_000 };
  });
  return { tokens, targetMs: target.us / 1_000, chunks };
}

/** The same in one line. */
export function stepBudgetLine({ tokens, targetMs, chunks }: StepBudgetFacts): string {
  if (targetMs === null) return `of up to ${tokens} tokens`;
  const said = chunks.map(
    (chunk) =>
      `${chunk.tokens} tokens of a prompt in ${chunk.predictedMs.toFixed(0)} ms at position ${chunk.firstPosition}`,
  );
  return `of up to ${tokens} tokens and ${targetMs.toFixed(0)} ms by prediction: ${said.join(", ")}`;
}
