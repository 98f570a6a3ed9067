// Owns the choice of the order in which waiting requests join: virtual token counters, or one of the orders that
// operators compare them with. What an order does is packages/vtc's. Invariant: every name makes an order.
import {
  DeficitOrder,
  FairQueue,
  FcfsOrder,
  LINEAR_PRICES,
  linearCost,
  profiledCost,
  RoundRobinOrder,
  UNITS_PER_TOKEN,
  type AdmissionOrder,
  type CostFunction,
} from "@fairlane/vtc";
import type { EngineInfo } from "../engine/engine.ts";
import type { FairnessOptions } from "../engine/worker-messages.ts";
import { FAIR_CACHED_PERCENT, FAIR_QUANTUM_TOKENS, REQUESTS_PER_MINUTE } from "../limits.ts";

export const FAIRNESS_DEFAULT: FairnessOptions = {
  order: "vtc",
  cost: "linear",
  cachedPercent: FAIR_CACHED_PERCENT,
};

/** What tokens cost their tenant. */
export function costOf({ cost, cachedPercent }: FairnessOptions): CostFunction {
  if (cost === "profiled") return profiledCost();
  const cachedUnits = Math.round((UNITS_PER_TOKEN * cachedPercent) / 100);
  return linearCost({ ...LINEAR_PRICES, cachedUnits });
}

/** Q: units by which locality may let tenants drift further apart. */
const QUANTUM_UNITS = FAIR_QUANTUM_TOKENS * UNITS_PER_TOKEN;

/** S: units by which requests may get ahead of one that waits for its adapter. */
export function slackUnitsOf(slackTokens: number): number {
  return slackTokens * UNITS_PER_TOKEN;
}

/** U + Q in units: [VTC] U = max(w_p L_input, w_q M), with the longest prompt that fits and the tokens of the pool. */
export function fairBoundUnitsOf(
  fairness: FairnessOptions,
  {
    contextTokens,
    pageCount,
    pageTokens,
  }: Pick<EngineInfo, "contextTokens" | "pageCount" | "pageTokens">,
): number {
  const poolTokens = pageCount * pageTokens;
  const promptTokensMax = Math.min(contextTokens, poolTokens);
  const boundUnits = costOf(fairness).spreadBoundUnits({ promptTokensMax, poolTokens });
  return fairness.order === "dlpm" ? boundUnits + QUANTUM_UNITS : boundUnits;
}

/**
 * An order for the requests of one tier.
 * @param prefixTokens tokens of a waiting request's prompt that the prefix cache has now
 */
export function makeOrder(
  fairness: FairnessOptions,
  prefixTokens: (requestId: string) => number,
): AdmissionOrder<string> {
  const cost = costOf(fairness);
  switch (fairness.order) {
    case "vtc":
      return new FairQueue({ cost });
    case "lcf":
      return new FairQueue({ cost, lifts: false });
    case "dlpm":
      return new DeficitOrder({ cost, prefixTokens, quantumUnits: QUANTUM_UNITS });
    case "fcfs":
      return new FcfsOrder();
    case "rpm":
      return new FcfsOrder(REQUESTS_PER_MINUTE);
    case "rr":
      return new RoundRobinOrder();
  }
}
