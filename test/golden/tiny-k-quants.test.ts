// Holds every native engine to the goldens of a tiny Llama in Q4_K, Q5_K and Q6_K, whose rows are as wide as their
// blocks: f32 to the oracle's numbers and tokens, int8, which repacks to the smallest panel type, within stated bounds.
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import {
  manifestOf,
  openKind,
  runnableKinds,
  runnableVectorF32Kinds,
} from "../conformance/tiny-engines.ts";
import { compareTeacherForced, figuresLine, generateGreedy } from "./compare-logits.ts";
import { tinyModels, type GoldenRun } from "./read-goldens.ts";

/** Above this margin between the golden's first and second token int8 must agree; measured: at most 0.11. */
const INT8_MARGIN = 0.2;
/** Bound on the root mean square of the 32 largest logits' differences; measured: at most 0.067. */
const INT8_TOP_RMS = 0.1;

const pathOf = (file: string) =>
  fileURLToPath(new URL(`../fixtures/tiny-k-quants/${file}`, import.meta.url));

function describeFile(file: string, runs: readonly GoldenRun[]): void {
  it.each([...runnableKinds(), ...runnableVectorF32Kinds()])(
    "agrees with the oracle on $name",
    async (kind) => {
      await using manifest = await manifestOf(pathOf(file));
      const engine = openKind(kind, manifest.path, { keepLogits: true });
      try {
        const figures = await compareTeacherForced(engine, runs);
        process.stderr.write(`${figuresLine(`${file} ${kind.name}`, figures)}\n`);
        if (kind.numerics === "f32") {
          expect(figures.topDifferenceMax).toBeLessThan(0.001);
          expect(figures.logSumExpDifferenceMax).toBeLessThan(0.001);
          expect(figures.rmsDifferenceMax).toBeLessThan(0.001);
          expect(figures.argmaxEqualCount).toBe(figures.positionCount);
          expect(await generateGreedy(engine, runs)).toEqual(runs.map((run) => run.generatedIds));
        } else {
          expect(figures.lostMarginMax).toBeLessThan(INT8_MARGIN);
          expect(figures.topDifferenceRms).toBeLessThan(INT8_TOP_RMS);
        }
      } finally {
        await engine.close();
      }
    },
  );
}

for (const { files, runs } of tinyModels("tiny-k-quants.json")) {
  for (const file of files) describe(`goldens of ${file}`, () => describeFile(file, runs));
}
