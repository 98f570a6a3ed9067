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
export { FleetCounters } from "./fleet/fleet-counters.ts";
export { ForeignSums } from "./fleet/foreign-sums.ts";
export type { ForeignCharges, ForeignNews, ForeignSum } from "./fleet/foreign-sums.ts";
export { OwnCells } from "./fleet/own-cells.ts";
export type { OwnCell, Served } from "./fleet/own-cells.ts";
export { cellGrowth, joinCells, NO_SERVICE, sumCells } from "./fleet/cell.ts";
export type { ServiceCell } from "./fleet/cell.ts";
export { MergedCells } from "./fleet/merged-cells.ts";
export type { CellSource } from "./fleet/merged-cells.ts";
export { DeficitOrder } from "./dlpm.ts";
export type { DeficitOptions } from "./dlpm.ts";
export { FairQueue } from "./fair-queue.ts";
export type { FairQueueOptions } from "./fair-queue.ts";
export { REQUESTS_PER_MINUTE_MAX, WEIGHT_MAX } from "./limits.ts";
export type { AdmissionOrder } from "./order.ts";
export { FcfsOrder } from "./orders/fcfs-order.ts";
export { RoundRobinOrder } from "./orders/round-robin-order.ts";
export { movingMeanPredictor, oraclePredictor } from "./predictor.ts";
export type { OracleError, OutputPredictor } from "./predictor.ts";
export type { ClientSnapshot, GroupSnapshot } from "./snapshot.ts";
export { Ticket } from "./ticket.ts";
export type { Fork, Turn } from "./ticket.ts";
