export { fluidityOf, fluidTokenRate, FluidityMeter } from "./fluidity-index.ts";
export type { FluidityDeadlines } from "./fluidity-index.ts";
export { goodputOf } from "./goodput.ts";
export type { Goodput, GoodputTargets, ServedRequest } from "./goodput.ts";
export { LatencyHistogram } from "./latency-histogram.ts";
