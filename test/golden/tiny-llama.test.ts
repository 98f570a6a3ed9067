// Holds every native engine to the goldens of the tiny model, over all fixture files and so all tensor types: f32 to
// the oracle's numbers and tokens, int8 within stated bounds.
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import {
  manifestOf,
  openKind,
  runnableInt8KvKinds,
  runnableKinds,
  runnableVectorF32Kinds,
  type EngineKind,
} from "../conformance/tiny-engines.ts";
import { compareTeacherForced, figuresLine } from "./compare-logits.ts";
import { expectGolden } from "./expect-golden.ts";
import { tinyModels, type GoldenRun } from "./read-goldens.ts";

const CAPACITY = {
  rows: 8,
  tokens: 256,
  page_updates: 64,
  sampling_updates: 8,
  slot_resets: 8,
  bias_updates: 16,
  top_tokens: 480,
  copied_pages: 4,
};

/** Above this margin between the golden's first and second token int8 must agree; measured: at most 0.68. */
const INT8_MARGIN = 0.8;
/** Bound on the root mean square of the 32 largest logits' differences; measured: 0.104. */
const INT8_TOP_RMS = 0.15;
/** The same with KV in int8; measured: margins of at most 0.39, 0.118. */
const INT8_KV_MARGIN = 0.6;
const INT8_KV_TOP_RMS = 0.15;

async function withEngine(
  { kind, file }: { kind: EngineKind; file: string },
  run: (engine: ReturnType<typeof openKind>) => Promise<void>,
): Promise<void> {
  const path = fileURLToPath(new URL(`../fixtures/tiny-llama/${file}`, import.meta.url));
  await using manifest = await manifestOf(path);
  const engine = openKind(kind, manifest.path, { keepLogits: true, capacity: CAPACITY });
  try {
    await run(engine);
  } finally {
    await engine.close();
  }
}

function describeFile(file: string, runs: readonly GoldenRun[]): void {
  for (const kind of [...runnableKinds(), ...runnableVectorF32Kinds()]) {
    it(`agrees with the oracle on ${kind.name}`, async () => {
      await withEngine({ kind, file }, async (engine) => {
        const int8 = { margin: INT8_MARGIN, topRms: INT8_TOP_RMS };
        await expectGolden(engine, { kind, file, runs, int8 });
      });
    });
  }
  for (const kind of runnableInt8KvKinds()) {
    it(`stays near the oracle on ${kind.name}`, async () => {
      await withEngine({ kind, file }, async (engine) => {
        expect(engine.info.numericsClass).toContain("/kv-int8/");
        const figures = await compareTeacherForced(engine, runs);
        process.stderr.write(`${figuresLine(`${file} ${kind.name}`, figures)}\n`);
        expect(figures.lostMarginMax).toBeLessThan(INT8_KV_MARGIN);
        expect(figures.topDifferenceRms).toBeLessThan(INT8_KV_TOP_RMS);
      });
    });
  }
}

for (const { files, runs } of tinyModels()) {
  for (const file of files) describe(`goldens of ${file}`, () => describeFile(file, runs));
}
