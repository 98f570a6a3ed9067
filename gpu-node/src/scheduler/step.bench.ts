// Owns the measurement of what the scheduler costs in a step: all requests decoding, an engine that computes
// nothing. Run it with `node gpu-node/src/scheduler/step.bench.ts [sequences]`; times are of this machine only.
import { MessageChannel, receiveMessageOnPort } from "node:worker_threads";
import { assert } from "@fairlane/base";
import type { Engine, WaitOutcome } from "../engine/engine.ts";
import {
  layoutBytes,
  PLAN_COLUMNS,
  PLAN_HEADER,
  planViews,
  RESULT_COLUMNS,
  resultViews,
  STEP_LAYOUT_VERSION,
  type PlanViews,
  type ResultViews,
} from "../engine/step-layout.ts";
import { ColumnReader, ColumnReport, type PackedStep } from "../engine/step-columns.ts";
import { Scheduler } from "./scheduler.ts";
import { stepCapacityFor } from "./scheduler-parts.ts";
import { StepCycle } from "./step.ts";
import { engineRequest } from "./testing/engine-request.ts";

export interface StepCost {
  readonly sequences: number;
  readonly steps: number;
  /** Medians, in microseconds. */
  readonly startUsP50: number;
  readonly settleUsP50: number;
  /** The step message to another thread: posted here, read there. */
  readonly messageUsP50: number;
}

/** Answers every row with token 0, at no cost worth mentioning. */
class NullEngine implements Engine {
  readonly info: Engine["info"];
  readonly result: ResultViews;
  readonly #plan: PlanViews;

  constructor(slotCount: number, contextTokens: number) {
    const capacity = stepCapacityFor({ slotCount, stepBudgetTokens: 1_024 });
    const pageCount = slotCount * Math.ceil(contextTokens / 16);
    this.info = {
      backend: "null",
      numericsClass: "null",
      vocabSize: 2,
      contextTokens,
      pageTokens: 16,
      pageBytes: 16,
      pageCount,
      kvGroups: [{ layers: 1, windowTokens: null, pageBytes: 16 }],
      slotCount,
      threadCount: 1,
      capacity,
    };
    this.#plan = planViews(capacity, new ArrayBuffer(layoutBytes(PLAN_COLUMNS, capacity)));
    this.result = resultViews(capacity, new ArrayBuffer(layoutBytes(RESULT_COLUMNS, capacity)));
    for (let row = 0; row < slotCount; row++) {
      this.result.result_row[row] = row;
      this.result.result_offset[row] = row;
    }
  }

  maskAt(): Int32Array {
    throw new Error("no row here has a mask");
  }

  acquirePlan(): PlanViews {
    return this.#plan;
  }

  submitStep({ header, row_n_logit_rows }: PlanViews): void {
    const rows = header[PLAN_HEADER.rows] ?? 0;
    this.result.header.set([
      STEP_LAYOUT_VERSION,
      header[PLAN_HEADER.stepId] ?? 0,
      rows,
      0,
      -1,
      rows,
      0,
    ]);
    this.result.result_n_out.set(row_n_logit_rows);
  }

  waitStep(): Promise<WaitOutcome> {
    return Promise.resolve({ state: "done", result: this.result });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Measures `steps` decode-only steps over `sequences` requests. */
export function measureStepCost({ sequences, steps }: Pick<StepCost, "sequences" | "steps">) {
  const warmUpSteps = sequences + 200;
  const outputTokens = warmUpSteps + steps + 10;
  const engine = new NullEngine(sequences, 64 + outputTokens);
  const clock = { nowMs: () => 0 };
  const scheduler = new Scheduler({ info: engine.info, clock, stepBudgetTokens: 1_024 });
  const cycle = new StepCycle(scheduler, engine);
  for (let index = 0; index < sequences; index++) {
    const fields = { promptLength: 1, maxOutputTokens: outputTokens, tenantId: `ten_${index}` };
    const error = scheduler.submit(engineRequest(`req_${index}`, { ...fields, promptTokens: [1] }));
    assert(error === null, error?.message ?? "");
  }
  const { port1, port2 } = new MessageChannel();
  const report = new ColumnReport(sequences, (message, transfer) =>
    port1.postMessage(message, [...transfer]),
  );
  const reader = new ColumnReader();
  const times = { startUs: [] as number[], settleUs: [] as number[], messageUs: [] as number[] };
  for (let step = 0; step < warmUpSteps + steps; step++) {
    const begun = performance.now();
    cycle.start();
    const started = performance.now();
    cycle.settleInto(engine.result, report);
    const settled = performance.now();
    const { discarded } = cycle;
    report.post({ stepId: step, computeUs: 0, discarded, load: scheduler.load });
    const message = receiveMessageOnPort(port2)?.message as PackedStep;
    const { progress } = reader.read(message);
    const received = performance.now();
    if (step < warmUpSteps) continue;
    assert(progress.length === sequences, `${progress.length} requests in the message`);
    assert(cycle.batch.decodeCount === sequences, `${cycle.batch.decodeCount} decodes`);
    times.startUs.push((started - begun) * 1_000);
    times.settleUs.push((settled - started) * 1_000);
    times.messageUs.push((received - settled) * 1_000);
  }
  port1.close();
  return {
    sequences,
    steps,
    startUsP50: median(times.startUs),
    settleUsP50: median(times.settleUs),
    messageUsP50: median(times.messageUs),
  } satisfies StepCost;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  return Math.round((sorted[Math.floor(sorted.length / 2)] ?? 0) * 10) / 10;
}

if (import.meta.main) {
  const sequences = Number(process.argv[2] ?? 256);
  console.log(JSON.stringify(measureStepCost({ sequences, steps: 2_000 })));
}
