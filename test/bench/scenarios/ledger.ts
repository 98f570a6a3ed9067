// Owns the scenario `ledger`: rounds of kills and disconnects under load on a platform of its own, and what the books say
// after each. It measures exactness, not speed.
import { Storm } from "../../e2e/platform/storm.ts";
import type { ScenarioResult } from "../report.ts";

const SEED = 20_261_121;
/** Of each round at least. */
const LEAST = { requests: 170, kills: 4, disconnects: 40 };
const QUICK_ROUNDS = 3;
const ROUNDS = 20;

/** Runs the rounds; a difference that is not 0 is a token that was lost, doubled or given away. */
export async function ledger({ isQuick }: { readonly isQuick: boolean }): Promise<ScenarioResult> {
  await using storm = await Storm.start(SEED);
  const roundCount = isQuick ? QUICK_ROUNDS : ROUNDS;
  for (let round = 0; round < roundCount; round++) await storm.round(LEAST);
  const counts = await storm.counts();
  const { rounds, kills, disconnects, requests } = counts;
  return {
    scenario: "ledger",
    facts: { "killed at random": "nodes, the runtime of hub and edge, both", seed: String(SEED) },
    metrics: {
      rounds,
      kills,
      disconnects,
      requests,
      tokens_diff: counts.tokensDiff,
      unbilled_received_tokens: counts.unbilledReceivedTokens,
      repeated_tokens: counts.repeatedTokens,
      received_tokens: counts.receivedTokens,
      comebacks: counts.comebacks,
    },
    peer: {},
  };
}
