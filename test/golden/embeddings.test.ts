// Holds every native engine to the goldens of embeddings: f32 to transformers' pooled hidden states, int8 to their
// direction. Prints one line of figures per engine. The default model's part needs its file and is skipped loudly.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { requireDefaultModel } from "@fairlane/testkit";
import { describe, expect, it } from "vitest";
import { POOLING } from "../../gpu-node/src/engine/slot-embeddings.ts";
import { cacheFolder } from "../../gpu-node/src/model/cache-folder.ts";
import { DEFAULT_MODEL } from "../../gpu-node/src/model/default-model.ts";
import { StepDriver } from "../conformance/step-driver.ts";
import { manifestOf, openKind, runnableKinds } from "../conformance/tiny-engines.ts";

/** Of any number of a vector of unit length, in f32; measured: at most 7e-7. */
const F32_DIFFERENCE_MAX = 2e-5;
/** Between int8 and the oracle; measured: at least 0.9979 on the tiny models, 0.9999 on the default one. */
const INT8_COSINE_MIN = 0.99;
const MODES = ["last", "mean"] as const;

interface Golden {
  readonly file: string;
  readonly prompts: readonly {
    readonly ids: readonly number[];
    readonly last: readonly number[];
    readonly mean: readonly number[];
  }[];
}

const url = new URL("embeddings.json", import.meta.url);
const { models } = JSON.parse(readFileSync(url, "utf8")) as { models: readonly Golden[] };

const { fileName, fileBytes } = DEFAULT_MODEL;
const defaultPath = join(cacheFolder(process.env), "models", fileName);

/** Where a golden's model is; undefined when it is not there. */
function pathOf(file: string): string | undefined {
  if (file !== fileName) return fileURLToPath(new URL(`../fixtures/${file}`, import.meta.url));
  return requireDefaultModel({ path: defaultPath, fileBytes }, "embeddings of the default model");
}

/** The largest difference of a number, and the smallest cosine. */
async function compare(driver: StepDriver, golden: Golden) {
  const figures = { difference: 0, cosine: 1 };
  for (const prompt of golden.prompts) {
    for (const mode of MODES) {
      driver.start(0, { temperature: 0, pooling: POOLING[mode] });
      await driver.step([{ slot: 0, tokens: prompt.ids, isSampled: false }]);
      const vector = [...driver.engine.embeddingAt(0)];
      let cosine = 0;
      for (const [index, value] of vector.entries()) {
        const expected = prompt[mode][index] ?? NaN;
        figures.difference = Math.max(figures.difference, Math.abs(value - expected));
        cosine += value * expected;
      }
      figures.cosine = Math.min(figures.cosine, cosine);
      expect(vector).toHaveLength(prompt[mode].length);
    }
  }
  return figures;
}

for (const golden of models) {
  const path = pathOf(golden.file);
  describe.skipIf(path === undefined)(`embeddings of ${golden.file}`, () => {
    it.each(runnableKinds())(
      "agree with the oracle on $name",
      { timeout: 60_000 },
      async (kind) => {
        await using manifest = await manifestOf(path ?? "");
        const engine = openKind(kind, manifest.path);
        try {
          const { difference, cosine } = await compare(new StepDriver(engine), golden);
          const figures = `difference ${difference.toExponential(1)}, cosine ${cosine.toFixed(6)}`;
          process.stderr.write(`embeddings ${golden.file} ${kind.name}: ${figures}\n`);
          if (kind.numerics === "f32") expect(difference).toBeLessThan(F32_DIFFERENCE_MAX);
          expect(cosine).toBeGreaterThan(INT8_COSINE_MIN);
        } finally {
          await engine.close();
        }
      },
    );
  });
}
