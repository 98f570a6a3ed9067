// Owns which tier's prefills go first in a step: interactive, but batch once it has starved for its bound of steps,
// and then until it gets tokens, so that a batch request that needs much memory has its turn as well.
// Invariant: work of the batch tier waits at most BATCH_TIER_STARVED_STEPS_MAX steps for its turn.
import type { EngineRequest } from "../engine/worker-messages.ts";
import { BATCH_TIER_STARVED_STEPS_MAX } from "../limits.ts";

export type Tier = EngineRequest["tier"];

const INTERACTIVE_FIRST = ["interactive", "batch"] as const satisfies readonly Tier[];
const BATCH_FIRST = ["batch", "interactive"] as const satisfies readonly Tier[];

export class TierTurns {
  #starvedSteps = 0;

  /** Tiers in the order in which the next step serves their prefills. */
  get order(): readonly [Tier, Tier] {
    return this.#starvedSteps < BATCH_TIER_STARVED_STEPS_MAX ? INTERACTIVE_FIRST : BATCH_FIRST;
  }

  /** Notes what a step gave to the batch tier, and whether some of its prefills got nothing. */
  stepBuilt(batchTier: { readonly hasWork: boolean; readonly gotTokens: boolean }): void {
    this.#starvedSteps = batchTier.hasWork && !batchTier.gotTokens ? this.#starvedSteps + 1 : 0;
  }
}
