// Owns a run of the scheduler that ships on the simulated engine: requests arrive in virtual time, and when each token
// came is kept. Invariant: every request ends with as many tokens as it asked for, and every page is free then.
import { assert } from "@fairlane/base";
import { SimulatedEngine } from "../../gpu-node/src/engine/simulated-engine.ts";
import type { EngineRequest } from "../../gpu-node/src/engine/worker-messages.ts";
import { VirtualClock } from "../../gpu-node/src/engine/virtual-clock.ts";
import type { StepCostModel } from "../../gpu-node/src/scheduler/step-cost-model.ts";
import { Scheduler } from "../../gpu-node/src/scheduler/scheduler.ts";
import type { StepTarget } from "../../gpu-node/src/scheduler/step-budget.ts";
import { stepCapacityFor } from "../../gpu-node/src/scheduler/scheduler-parts.ts";
import { StepCycle } from "../../gpu-node/src/scheduler/step.ts";
import type { Arrival } from "../bench/workload.ts";

/** A machine and its bounds, the same for every scheduler that is compared. */
export interface Machine {
  readonly cost: StepCostModel;
  readonly kvTokens: number;
  readonly runningRequestsMax: number;
}

/** What became of one request, in microseconds of virtual time. */
export interface RequestTimes {
  readonly arrivedUs: number;
  /** When it joined the running set. */
  scheduledUs: number;
  readonly tokenUs: number[];
}

const PAGE_TOKENS = 16;
const CONTEXT_TOKENS = 262_144;
const VOCAB_SIZE = 32_000;
const UNBOUNDED = 1e9;

/** How the scheduler chooses chunks: as many tokens as fit the budget, and the target's time if there is one. */
export interface Budget {
  readonly stepBudgetTokens: number;
  readonly stepTarget?: StepTarget;
}

/** Serves all arrivals. */
export async function simulateRun(
  arrivals: readonly Arrival[],
  machine: Machine,
  budget: Budget,
): Promise<RequestTimes[]> {
  const { cost, kvTokens, runningRequestsMax: slotCount } = machine;
  const { stepBudgetTokens } = budget;
  const clock = new VirtualClock();
  const engine = new SimulatedEngine({
    clock,
    cost,
    vocabSize: VOCAB_SIZE,
    contextTokens: CONTEXT_TOKENS,
    pageCount: Math.floor(kvTokens / PAGE_TOKENS),
    slotCount,
    capacity: stepCapacityFor({ slotCount, stepBudgetTokens }),
  });
  const waitingBounds = {
    requestsMax: UNBOUNDED,
    requestsPerTenantMax: UNBOUNDED,
    promptTokensMax: UNBOUNDED,
  };
  const scheduler = new Scheduler({ info: engine.info, clock, ...budget, waitingBounds });
  const steps = new StepCycle(scheduler, engine);
  const times = arrivals.map(timesOf);
  let arrived = 0;
  for (;;) {
    for (; (times[arrived]?.arrivedUs ?? Infinity) <= clock.nowUs; arrived++) {
      const arrival = arrivals[arrived];
      const refusal = arrival && scheduler.submit(requestOf(arrival, arrived));
      assert(!refusal, refusal?.message ?? "");
    }
    while (steps.inFlightCount < 2 && steps.start());
    if (steps.inFlightCount === 0) {
      const next = times[arrived];
      if (next === undefined) break;
      clock.advanceTo(next.arrivedUs);
      continue;
    }
    const outcome = await engine.waitStep({ timeoutMs: UNBOUNDED });
    assert(outcome.state === "done", "the simulated step timed out");
    for (const { requestId, newTokens, scheduledAtMs } of steps.settle(outcome.result)) {
      const request = times[Number(requestId)];
      assert(request !== undefined, `request ${requestId}`);
      request.scheduledUs = (scheduledAtMs ?? NaN) * 1_000;
      for (const _ of newTokens) request.tokenUs.push(clock.nowUs);
    }
  }
  scheduler.checkIntegrity();
  times.forEach(({ tokenUs }, index) => {
    assert(tokenUs.length === arrivals[index]?.outputTokens, `request ${index} was cut short`);
  });
  return times;
}

export function timesOf(arrival: Arrival): RequestTimes {
  return { arrivedUs: arrival.atMs * 1_000, scheduledUs: NaN, tokenUs: [] };
}

function requestOf(arrival: Arrival, index: number): EngineRequest {
  return {
    requestId: String(index),
    tenantId: "ten_trace",
    weight: 1,
    tier: "interactive",
    // Prompts differ from their first token on, so that no cache shortens them.
    promptTokens: new Int32Array(arrival.promptTokens).fill(7).fill(index % VOCAB_SIZE, 0, 1),
    maxOutputTokens: arrival.outputTokens,
    stopTokenIds: [],
    sampling: { temperature: 0, topP: 1, topK: 0, seedLow: 0, seedHigh: 0 },
    receivedAtMs: Math.floor(arrival.atMs),
    deadlineMs: Number.MAX_SAFE_INTEGER,
  };
}
