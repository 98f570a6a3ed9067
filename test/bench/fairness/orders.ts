// Owns the orders of admission that the paper compares, by the names of its tables.
import {
  FairQueue,
  FcfsOrder,
  movingMeanPredictor,
  oraclePredictor,
  RoundRobinOrder,
} from "@fairlane/vtc";
import { seededRandom } from "../workload.ts";
import type { MakeOrder } from "./fair-run.ts";

const SEED = 7;

export const ORDERS: Readonly<Record<string, MakeOrder>> = {
  fcfs: () => new FcfsOrder(),
  lcf: () => new FairQueue({ lifts: false }),
  vtc: () => new FairQueue(),
  "vtc-predict": () => new FairQueue({ predictor: movingMeanPredictor() }),
  "vtc-50pct": () =>
    new FairQueue({ predictor: oraclePredictor({ errorPct: 50, uniform: seededRandom(SEED) }) }),
  "vtc-oracle": () => new FairQueue({ predictor: oraclePredictor() }),
  rr: () => new RoundRobinOrder(),
  rpm5: () => new FcfsOrder(5),
  rpm20: () => new FcfsOrder(20),
  rpm30: () => new FcfsOrder(30),
};

export function orderOf(name: string): MakeOrder {
  const make = ORDERS[name];
  if (make === undefined) throw new Error(`no order is called ${name}`);
  return make;
}
