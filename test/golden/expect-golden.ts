// Owns the comparison of one native engine with a model's goldens: f32 has the oracle's numbers and tokens, int8 stays
// within bounds that the caller states.
import { expect } from "vitest";
import type { openKind, runnableKinds } from "../conformance/tiny-engines.ts";
import { compareTeacherForced, figuresLine, generateGreedy } from "./compare-logits.ts";
import type { GoldenRun } from "./read-goldens.ts";

/** Differences of logits in f32, of whatever kind. */
const F32_DIFFERENCE = 0.001;

export interface Int8Bounds {
  /** Above this margin between the golden's first and second token the first must be the same. */
  readonly margin: number;
  /** On the root mean square of the 32 largest logits' differences. */
  readonly topRms: number;
}

/** Compares an open engine that keeps logits; `file` is the model's, for what is printed. */
export async function expectGolden(
  engine: ReturnType<typeof openKind>,
  held: {
    readonly kind: ReturnType<typeof runnableKinds>[number];
    readonly file: string;
    readonly runs: readonly GoldenRun[];
    readonly int8: Int8Bounds;
  },
): Promise<void> {
  const { kind, file, runs, int8 } = held;
  const figures = await compareTeacherForced(engine, runs);
  process.stderr.write(`${figuresLine(`${file} ${kind.name}`, figures)}\n`);
  if (kind.numerics !== "f32") {
    expect(figures.lostMarginMax).toBeLessThan(int8.margin);
    expect(figures.topDifferenceRms).toBeLessThan(int8.topRms);
    return;
  }
  expect(figures.topDifferenceMax).toBeLessThan(F32_DIFFERENCE);
  expect(figures.logSumExpDifferenceMax).toBeLessThan(F32_DIFFERENCE);
  expect(figures.rmsDifferenceMax).toBeLessThan(F32_DIFFERENCE);
  expect(figures.argmaxEqualCount).toBe(figures.positionCount);
  expect(await generateGreedy(engine, runs)).toEqual(runs.map((run) => run.generatedIds));
}
