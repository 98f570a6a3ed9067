// Owns the measurement of the step gap: how long the native engine idles between two steps, with one step in flight
// and with two. Run it with `node gpu-node/src/scheduler/step-gap.bench.ts MODEL [sequences] [threads]`.
import { setImmediate } from "node:timers/promises";
import type { Engine } from "../engine/engine.ts";
import { openNativeEngine } from "../engine/native-engine.ts";
import type { FromWorker } from "../engine/worker-messages.ts";
import { openModelOnDisk } from "../fleet/model-on-disk.ts";
import { cacheFolder } from "../model/cache-folder.ts";
import { Scheduler } from "./scheduler.ts";
import { SchedulerLoop } from "./scheduler-loop.ts";
import { stepCapacityFor } from "./scheduler-parts.ts";
import { engineRequest } from "./testing/engine-request.ts";

const STEP_BUDGET_TOKENS = 256;
const WARM_UP_STEPS = 20;
const STEPS = 60;

export interface StepGap {
  readonly stepsInFlight: number;
  /** Medians over decode-only steps, in microseconds. */
  readonly computeUsP50: number;
  readonly intervalUsP50: number;
  /** Interval less compute time: the engine idles for so long. */
  readonly gapUsP50: number;
}

/** Decodes `sequences` requests through the loop and measures the steps' intervals. Leaves the engine closed. */
export async function measureStepGap(
  engine: Engine,
  options: { readonly sequences: number; readonly stepsInFlight: number },
): Promise<StepGap> {
  const { sequences, stepsInFlight } = options;
  const clock = { nowMs: () => Date.now() };
  const scheduler = new Scheduler({
    info: engine.info,
    clock,
    stepBudgetTokens: STEP_BUDGET_TOKENS,
  });
  const steps: { atMs: number; computeUs: number }[] = [];
  const post = (message: FromWorker): void => {
    if (message.type !== "step") return;
    steps.push({ atMs: performance.now(), computeUs: message.computeUs });
    if (steps.length > WARM_UP_STEPS + STEPS) loop.handle({ type: "close" });
  };
  const loop = new SchedulerLoop({
    scheduler,
    engine,
    post,
    yieldToMessages: () => setImmediate(),
    wait: () => setImmediate(),
    stuckAfterMs: 60_000,
    stepsInFlightMax: stepsInFlight,
  });
  const maxOutputTokens = 2 * (WARM_UP_STEPS + STEPS);
  const requests = Array.from({ length: sequences }, (_, index) =>
    engineRequest(`req_${index}`, { promptTokens: [1, 2, index], maxOutputTokens }),
  );
  loop.handle({ type: "submit", requests });
  await loop.run();
  const measured = steps.slice(WARM_UP_STEPS, WARM_UP_STEPS + STEPS);
  const intervals = measured.slice(1).map(({ atMs, computeUs }, index) => {
    const intervalUs = (atMs - (measured[index]?.atMs ?? 0)) * 1_000;
    return { intervalUs, gapUs: intervalUs - computeUs };
  });
  return {
    stepsInFlight,
    computeUsP50: median(measured.map(({ computeUs }) => computeUs)),
    intervalUsP50: median(intervals.map(({ intervalUs }) => intervalUs)),
    gapUsP50: median(intervals.map(({ gapUs }) => gapUs)),
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  return Math.round(sorted[Math.floor(sorted.length / 2)] ?? 0);
}

if (import.meta.main) {
  const [model = "", sequences = "8", threads = "1"] = process.argv.slice(2);
  const { manifestPath } = await openModelOnDisk(model, cacheFolder(process.env));
  const slotCount = Number(sequences);
  for (const stepsInFlight of [1, 2, 1, 2]) {
    const engine = openNativeEngine({
      manifestPath,
      isa: "auto",
      numerics: "int8",
      pageCount: slotCount * 32,
      slotCount,
      threadCount: Number(threads),
      capacity: stepCapacityFor({ slotCount, stepBudgetTokens: STEP_BUDGET_TOKENS }),
    });
    console.log(
      JSON.stringify(await measureStepGap(engine, { sequences: slotCount, stepsInFlight })),
    );
  }
}
