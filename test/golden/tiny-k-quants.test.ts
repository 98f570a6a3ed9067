// Holds every native engine to the goldens of a tiny Llama in Q4_K, Q5_K and Q6_K, whose rows are as wide as their
// blocks: f32 to the oracle's numbers and tokens, int8, which repacks to the smallest panel type, within stated bounds.
import { fileURLToPath } from "node:url";
import { describe, it } from "vitest";
import {
  manifestOf,
  openKind,
  runnableKinds,
  runnableVectorF32Kinds,
} from "../conformance/tiny-engines.ts";
import { expectGolden } from "./expect-golden.ts";
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
        const int8 = { margin: INT8_MARGIN, topRms: INT8_TOP_RMS };
        await expectGolden(engine, { kind, file, runs, int8 });
      } finally {
        await engine.close();
      }
    },
  );
}

for (const { files, runs } of tinyModels("tiny-k-quants.json")) {
  for (const file of files) describe(`goldens of ${file}`, () => describeFile(file, runs));
}
