export { A10G_PROFILE, LINEAR_PRICES, linearCost, profiledCost, UNITS_PER_TOKEN } from "./cost.ts";
export type {
  CostExtent,
  CostFunction,
  LinearPrices,
  OutputCost,
  ProfileFit,
  PromptCost,
} from "./cost.ts";
export { isWeight, VirtualCounter } from "./counter.ts";
export { WEIGHT_MAX } from "./limits.ts";
