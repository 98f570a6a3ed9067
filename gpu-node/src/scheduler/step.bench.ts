// Owns the measurement of what the scheduler costs in a step, in time and in memory that it allocates: all requests
// decoding, an engine that computes nothing. Times are of this machine only. Run it with
//   node --expose-gc --max-semi-space-size=256 gpu-node/src/scheduler/step.bench.ts [sequences] [steps]
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
import { ColumnReader, ColumnReport, markRead, type PackedStep } from "../engine/step-columns.ts";
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
      hiddenSize: 1,
      contextTokens,
      pageTokens: 16,
      pageBytes: 16,
      pageCount,
      kvGroups: [{ layers: 1, windowTokens: null, pageBytes: 16 }],
      slotCount,
      threadCount: 1,
      adapterSlots: 0,
      adapterLayout: "null",
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

  embeddingAt(): Float32Array {
    throw new Error("no request here asks for an embedding");
  }

  canonicalPageBytes(): number {
    return this.info.pageBytes;
  }

  exportPages(): void {}

  importPages(): void {}

  packAdapter(): Promise<never> {
    return Promise.reject(new Error("no row here has an adapter"));
  }

  writePages(): void {}

  setAdapter(): void {}

  clearAdapter(): void {}

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

export interface StepBytes {
  readonly sequences: number;
  readonly steps: number;
  /** Of the engine thread, kept or not: some 130 bytes for each page that a request begins, and 1.5 kB a step. */
  readonly heapBytesPerToken: number;
  /** Outside of the heap: 4 bytes of each output token are kept, in arrays that double. */
  readonly bufferBytesPerToken: number;
}

interface BenchOptions {
  readonly sequences: number;
  readonly steps: number;
}

/** One step after the other over `sequences` decoding requests. */
class Decoding {
  readonly cycle: StepCycle;
  readonly #engine: NullEngine;
  readonly #scheduler: Scheduler;
  readonly #report: ColumnReport;
  #stepCount = 0;

  constructor(sequences: number, stepsMax: number, post: (message: PackedStep) => void) {
    const maxOutputTokens = stepsMax + 10;
    const engine = new NullEngine(sequences, 64 + maxOutputTokens);
    const clock = { nowMs: () => 0 };
    const scheduler = new Scheduler({ info: engine.info, clock, stepBudgetTokens: 1_024 });
    for (let index = 0; index < sequences; index++) {
      const fields = { maxOutputTokens, tenantId: `ten_${index}`, promptTokens: [1] };
      const error = scheduler.submit(engineRequest(`req_${index}`, fields));
      assert(error === null, error?.message ?? "");
    }
    this.#engine = engine;
    this.#scheduler = scheduler;
    this.#report = new ColumnReport(sequences, post);
    this.cycle = new StepCycle(scheduler, engine);
  }

  start(): void {
    this.cycle.start();
  }

  settle(): void {
    this.cycle.settleInto(this.#engine.result, this.#report);
  }

  post(): void {
    this.#stepCount += 1;
    const { discarded } = this.cycle;
    const { load } = this.#scheduler;
    this.#report.post({ stepId: this.#stepCount, computeUs: 0, discarded, load });
  }
}

/** Measures `steps` decode-only steps over `sequences` requests. */
export function measureStepCost({ sequences, steps }: BenchOptions): StepCost {
  const warmUpSteps = sequences + 200;
  const { port1, port2 } = new MessageChannel();
  const decoding = new Decoding(sequences, warmUpSteps + steps, (message) =>
    port1.postMessage(message),
  );
  const reader = new ColumnReader();
  const times = { startUs: [] as number[], settleUs: [] as number[], messageUs: [] as number[] };
  for (let step = 0; step < warmUpSteps + steps; step++) {
    const begun = performance.now();
    decoding.start();
    const started = performance.now();
    decoding.settle();
    const settled = performance.now();
    decoding.post();
    const message = receiveMessageOnPort(port2)?.message as PackedStep;
    const { progress } = reader.read(message);
    const received = performance.now();
    if (step < warmUpSteps) continue;
    assert(progress.length === sequences, `${progress.length} requests in the message`);
    const { decodeCount } = decoding.cycle.batch;
    assert(decodeCount === sequences, `${decodeCount} decodes`);
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
  };
}

/** Measures what the same steps allocate, up to the message; null when the collector cannot be told to wait. */
export function measureStepBytes({ sequences, steps }: BenchOptions): StepBytes | null {
  const { gc } = globalThis;
  if (gc === undefined) return null;
  const warmUpSteps = sequences + 200;
  let ring: PackedStep["ring"];
  const decoding = new Decoding(sequences, warmUpSteps + steps, (message) => {
    ring ??= message.ring;
    if (ring) markRead(ring);
  });
  const run = (count: number): void => {
    for (let step = 0; step < count; step++) {
      decoding.start();
      decoding.settle();
      decoding.post();
    }
  };
  run(warmUpSteps);
  gc();
  const before = process.memoryUsage();
  run(steps);
  const after = process.memoryUsage();
  const perToken = (bytes: number): number => Math.round((10 * bytes) / (steps * sequences)) / 10;
  return {
    sequences,
    steps,
    heapBytesPerToken: perToken(after.heapUsed - before.heapUsed),
    bufferBytesPerToken: perToken(after.arrayBuffers - before.arrayBuffers),
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  return Math.round((sorted[Math.floor(sorted.length / 2)] ?? 0) * 10) / 10;
}

if (import.meta.main) {
  const [sequences, steps] = [Number(process.argv[2] ?? 256), Number(process.argv[3] ?? 2_000)];
  console.log(JSON.stringify(measureStepCost({ sequences, steps })));
  const bytes = measureStepBytes({ sequences, steps: Math.ceil(steps / 2) });
  console.log(bytes === null ? "bytes: run with --expose-gc" : JSON.stringify(bytes));
}
