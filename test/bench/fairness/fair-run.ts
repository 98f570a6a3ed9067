// Owns a replay of a suite through the scheduler that ships, with strict admission as in the paper, on any engine: the
// simulated one in virtual time, or a real one as time goes by. Invariant: every request that is taken ends with all
// the tokens it asked for, unless the replay is cut off, and every page is free then.
import { assert } from "@fairlane/base";
import type { AdmissionOrder } from "@fairlane/vtc";
import type { Engine } from "../../../gpu-node/src/engine/engine.ts";
import { SimulatedEngine } from "../../../gpu-node/src/engine/simulated-engine.ts";
import { VirtualClock } from "../../../gpu-node/src/engine/virtual-clock.ts";
import type { EngineRequest } from "../../../gpu-node/src/engine/worker-messages.ts";
import { stepCapacityFor } from "../../../gpu-node/src/scheduler/scheduler-parts.ts";
import { Scheduler } from "../../../gpu-node/src/scheduler/scheduler.ts";
import { StepCycle } from "../../../gpu-node/src/scheduler/step.ts";
import { A10G, POOL_TOKENS, SLOT_COUNT, STEP_BUDGET_TOKENS } from "./a10g.ts";
import type { ServedRequest } from "./fair-metrics.ts";
import type { FairArrival, Suite } from "./suites.ts";

const PAGE_TOKENS = 16;
const CONTEXT_TOKENS = 3_072;
const VOCAB_SIZE = 32_000;
const UNBOUNDED = 1e9;
const ANY_TOKEN = 7;

export type MakeOrder = () => AdmissionOrder<string>;

/** An engine, and the time that it runs in. */
export interface Stage {
  readonly engine: Engine;
  readonly stepBudgetTokens: number;
  /** Microseconds since the replay began. */
  readonly nowUs: () => number;
  /** Lets time pass while there is nothing to compute. */
  readonly idleUntil: (atUs: number) => Promise<void>;
}

export interface FairRun {
  readonly served: readonly ServedRequest[];
  /** Largest spread of counters over U while requests waited. */
  readonly spreadOverBound: number;
}

interface Times {
  readonly arrival: FairArrival;
  firstUs: number | null;
  lastUs: number;
}

/** The paper's machine. */
export function simulatedStage(): Stage {
  const clock = new VirtualClock();
  const engine = new SimulatedEngine({
    clock,
    cost: A10G,
    vocabSize: VOCAB_SIZE,
    contextTokens: CONTEXT_TOKENS,
    pageCount: POOL_TOKENS / PAGE_TOKENS,
    slotCount: SLOT_COUNT,
    capacity: stepCapacityFor({ slotCount: SLOT_COUNT, stepBudgetTokens: STEP_BUDGET_TOKENS }),
  });
  const nowUs = () => clock.nowUs;
  const idleUntil = (atUs: number) => Promise.resolve(clock.advanceTo(Math.ceil(atUs)));
  return { engine, stepBudgetTokens: STEP_BUDGET_TOKENS, nowUs, idleUntil };
}

/**
 * Replays a suite with an order of admission.
 * @param cutSeconds ends the replay then, whatever is left; absent: everything is served
 */
export async function replay(
  suite: Suite,
  makeOrder: MakeOrder,
  options: { readonly stage?: Stage; readonly cutSeconds?: number } = {},
): Promise<FairRun> {
  const { stage = simulatedStage(), cutSeconds = Infinity } = options;
  const { engine, nowUs } = stage;
  const scheduler = schedulerOf(stage, makeOrder);
  const steps = new StepCycle(scheduler, engine);
  const times = suite.arrivals.map((arrival): Times => ({ arrival, firstUs: null, lastUs: 0 }));
  let spreadOverBound = 0;
  let arrived = 0;
  while (nowUs() < cutSeconds * 1e6) {
    for (; isDue(times[arrived], nowUs()); arrived++) submit(scheduler, times[arrived], arrived);
    while (steps.inFlightCount < 2 && steps.start());
    if (steps.inFlightCount === 0) {
      const next = times[arrived];
      if (next === undefined) break;
      await stage.idleUntil(next.arrival.atMs * 1_000);
      continue;
    }
    const outcome = await engine.waitStep({ timeoutMs: UNBOUNDED });
    assert(outcome.state === "done", "the step timed out");
    for (const { requestId, newTokens } of steps.settle(outcome.result)) {
      noteTokens(times[Number(requestId)], newTokens.length, nowUs());
    }
    spreadOverBound = Math.max(spreadOverBound, scheduler.load.fairSpread ?? 0);
  }
  while (steps.inFlightCount > 0) {
    const outcome = await engine.waitStep({ timeoutMs: UNBOUNDED });
    if (outcome.state === "done") steps.settle(outcome.result);
  }
  scheduler.checkIntegrity();
  return { served: times, spreadOverBound };
}

function schedulerOf({ engine, stepBudgetTokens, nowUs }: Stage, makeOrder: MakeOrder): Scheduler {
  return new Scheduler({
    info: engine.info,
    clock: { nowMs: () => nowUs() / 1_000 },
    stepBudgetTokens,
    admission: "strict",
    waitingBounds: {
      requestsMax: UNBOUNDED,
      requestsPerTenantMax: UNBOUNDED,
      promptTokensMax: UNBOUNDED,
    },
    makeOrder,
  });
}

function noteTokens(request: Times | undefined, count: number, nowUs: number): void {
  if (request === undefined || count === 0) return;
  request.firstUs ??= nowUs;
  request.lastUs = nowUs;
}

function isDue(next: Times | undefined, nowUs: number): boolean {
  return next !== undefined && next.arrival.atMs * 1_000 <= nowUs;
}

function submit(scheduler: Scheduler, next: Times | undefined, index: number): void {
  if (next === undefined) return;
  const refusal = scheduler.submit(requestOf(next.arrival, index));
  assert(refusal === null || refusal.code === "rate_limit_requests", refusal?.message ?? "");
}

function requestOf(arrival: FairArrival, index: number): EngineRequest {
  const { tenantId, keyId = "key", weight = 1, promptTokens, outputTokens, atMs } = arrival;
  return {
    requestId: String(index),
    tenantId,
    keyId,
    weight,
    tier: "interactive",
    promptTokens: new Int32Array(promptTokens).fill(ANY_TOKEN),
    maxOutputTokens: outputTokens,
    stopTokenIds: [],
    sampling: { temperature: 0, topP: 1, topK: 0, seedLow: 0, seedHigh: 0 },
    receivedAtMs: Math.floor(atMs),
    deadlineMs: Number.MAX_SAFE_INTEGER,
  };
}
