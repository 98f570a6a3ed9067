// Holds rope scaling to the goldens: the tiny Llama with linear and with Llama 3's scaling, from config.json and from
// the divisors of a GGUF file. Angles come from the core, not from plug-ins, so the f32 engine speaks for all.
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { editJson, hfCopy } from "../../gpu-node/src/model/testing/hf-copy.ts";
import { manifestOf, openKind } from "../conformance/tiny-engines.ts";
import { compareTeacherForced, figuresLine, generateGreedy } from "./compare-logits.ts";
import { tinyRopeModels, type GoldenRun } from "./read-goldens.ts";

const F32 = { name: "generic f32", isa: "generic", numerics: "f32" } as const;

async function expectGoldens(name: string, modelPath: string, runs: readonly GoldenRun[]) {
  await using manifest = await manifestOf(modelPath);
  const engine = openKind(F32, manifest.path, { keepLogits: true });
  try {
    const figures = await compareTeacherForced(engine, runs);
    process.stderr.write(`${figuresLine(name, figures)}\n`);
    expect(figures.topDifferenceMax).toBeLessThan(0.001);
    expect(figures.logSumExpDifferenceMax).toBeLessThan(0.001);
    expect(figures.argmaxEqualCount).toBe(figures.positionCount);
    expect(await generateGreedy(engine, runs)).toEqual(runs.map((run) => run.generatedIds));
  } finally {
    await engine.close();
  }
}

describe.each(tinyRopeModels())("rope scaling $ropeScaling.rope_type", (golden) => {
  const { ropeScaling, files, prompts } = golden;
  it.each(["rope_scaling", "rope_parameters"])("agrees with the oracle from %s", async (key) => {
    await using folder = await hfCopy();
    await editJson(folder.path, "config.json", (json) => ({
      ...json,
      [key]: { ...ropeScaling, rope_theta: json["rope_theta"] },
    }));
    await expectGoldens(`hf ${key}`, folder.path, prompts);
  });

  for (const file of files) {
    it(`agrees with the oracle from ${file}`, async () => {
      const path = fileURLToPath(new URL(`../fixtures/tiny-llama/${file}`, import.meta.url));
      await expectGoldens(file, path, prompts);
    });
  }
});
