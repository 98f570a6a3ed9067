// Owns the comparison of an engine with the goldens: figures over all positions, teacher-forced, and free greedy runs.
import { assert } from "@fairlane/base";
import type { NativeEngine } from "../../gpu-node/src/engine/native-engine.ts";
import { StepDriver } from "../conformance/step-driver.ts";
import { teacherForced, type GoldenRun } from "./read-goldens.ts";

/** How far an engine is from the goldens. Differences are absolute, in logits. */
export interface Figures {
  positionCount: number;
  /** Over the 32 largest logits of every position. */
  topDifferenceMax: number;
  topDifferenceRms: number;
  logSumExpDifferenceMax: number;
  rmsDifferenceMax: number;
  argmaxEqualCount: number;
  /** Largest golden margin between first and second at which the engine prefers another token; 0 if never. */
  lostMarginMax: number;
}

interface Sums {
  readonly figures: Figures;
  squares: number;
  count: number;
}

function largest(logits: Float32Array): number {
  let best = 0;
  for (let id = 1; id < logits.length; id++) {
    if ((logits[id] ?? 0) > (logits[best] ?? 0)) best = id;
  }
  return best;
}

function logSumExpAndRms(logits: Float32Array, max: number): { logSumExp: number; rms: number } {
  let sum = 0;
  let squares = 0;
  for (const logit of logits) {
    sum += Math.exp(logit - max);
    squares += logit * logit;
  }
  return { logSumExp: max + Math.log(sum), rms: Math.sqrt(squares / logits.length) };
}

function addPosition(
  sums: Sums,
  logits: Float32Array,
  golden: { run: GoldenRun; position: number },
): void {
  const { run, position } = golden;
  const { figures } = sums;
  const ids = run.topIds[position] ?? [];
  const values = run.topLogits[position] ?? [];
  assert(ids.length > 1 && values.length === ids.length, `no goldens at ${run.name} ${position}`);
  for (const [index, id] of ids.entries()) {
    const difference = Math.abs((logits[id] ?? NaN) - (values[index] ?? NaN));
    assert(
      Number.isFinite(difference),
      `${run.name} ${position}: the logit of ${id} is not finite`,
    );
    figures.topDifferenceMax = Math.max(figures.topDifferenceMax, difference);
    sums.squares += difference * difference;
    sums.count += 1;
  }
  const best = largest(logits);
  const { logSumExp, rms } = logSumExpAndRms(logits, logits[best] ?? 0);
  const logSumExpDifference = Math.abs(logSumExp - (run.logSumExp[position] ?? NaN));
  figures.logSumExpDifferenceMax = Math.max(figures.logSumExpDifferenceMax, logSumExpDifference);
  const rmsDifference = Math.abs(rms - (run.rms[position] ?? NaN));
  figures.rmsDifferenceMax = Math.max(figures.rmsDifferenceMax, rmsDifference);
  figures.positionCount += 1;
  if (best === ids[0]) {
    figures.argmaxEqualCount += 1;
  } else {
    const margin = (values[0] ?? 0) - (values[1] ?? 0);
    figures.lostMarginMax = Math.max(figures.lostMarginMax, margin);
  }
}

/** Feeds the goldens' own tokens and compares the logits of every position. The engine keeps logits. */
export async function compareTeacherForced(
  engine: NativeEngine,
  runs: readonly GoldenRun[],
  adapterSlot?: number,
): Promise<Figures> {
  const figures: Figures = {
    positionCount: 0,
    topDifferenceMax: 0,
    topDifferenceRms: 0,
    logSumExpDifferenceMax: 0,
    rmsDifferenceMax: 0,
    argmaxEqualCount: 0,
    lostMarginMax: 0,
  };
  const sums: Sums = { figures, squares: 0, count: 0 };
  const driver = new StepDriver(engine);
  const rowsWith = adapterSlot === undefined ? {} : { adapterSlot };
  const { vocabSize } = engine.info;
  for (const run of runs) {
    const tokens = teacherForced(run);
    driver.start(0);
    const { status } = await driver.step([{ slot: 0, tokens, isSampled: false, ...rowsWith }]);
    assert(status === 0, `${run.name}: the step was refused with status ${status}`);
    const logits = engine.readLogits();
    assert(logits.length === tokens.length * vocabSize, `${run.name}: ${logits.length} logits`);
    for (let position = 0; position < tokens.length; position++) {
      const row = logits.subarray(position * vocabSize, (position + 1) * vocabSize);
      addPosition(sums, row, { run, position });
    }
  }
  figures.topDifferenceRms = Math.sqrt(sums.squares / sums.count);
  return figures;
}

/** Greedy tokens of all runs in one batch, as many as the goldens have. */
export async function generateGreedy(
  engine: NativeEngine,
  runs: readonly GoldenRun[],
): Promise<number[][]> {
  const driver = new StepDriver(engine);
  const generated: number[][] = runs.map(() => []);
  for (const [slot, run] of runs.entries()) {
    driver.start(slot);
    const { samples } = await driver.step([{ slot, tokens: run.promptIds }]);
    generated[slot]?.push(samples.get(slot)?.token ?? -1);
  }
  const isShort = (slot: number) =>
    (generated[slot]?.length ?? 0) < (runs[slot]?.generatedIds.length ?? 0);
  for (;;) {
    const slots = [...runs.keys()].filter(isShort);
    if (slots.length === 0) return generated;
    const { samples } = await driver.step(slots.map((slot) => ({ slot, tokens: "sampled" })));
    for (const slot of slots) generated[slot]?.push(samples.get(slot)?.token ?? -1);
  }
}

/** One line of a table, for people who quote the figures. */
export function figuresLine(name: string, figures: Figures): string {
  const { positionCount, argmaxEqualCount } = figures;
  const agreement = ((100 * argmaxEqualCount) / positionCount).toFixed(2);
  return [
    `golden ${name.padEnd(34)} positions ${positionCount}`,
    `top-32 max ${figures.topDifferenceMax.toFixed(4)} rms ${figures.topDifferenceRms.toFixed(4)}`,
    `log-sum-exp max ${figures.logSumExpDifferenceMax.toFixed(4)}`,
    `rms max ${figures.rmsDifferenceMax.toFixed(4)}`,
    `argmax ${argmaxEqualCount}/${positionCount} (${agreement} %), widest lost margin ${figures.lostMarginMax.toFixed(4)}`,
  ].join(" | ");
}
