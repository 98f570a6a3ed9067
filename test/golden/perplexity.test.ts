// Holds the quick int8 plug-ins to the perplexity of the default model's de-quantised weights in float32, as transformers
// gives it. Prints one line per engine. The scalar engines take ten times as long: `npm run bench -- perplexity` has them too.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { requireDefaultModel } from "@fairlane/testkit";
import { describe, expect, it } from "vitest";
import { cacheFolder } from "../../gpu-node/src/model/cache-folder.ts";
import { DEFAULT_MODEL } from "../../gpu-node/src/model/default-model.ts";
import { defaultModelPath } from "../../gpu-node/src/model/fetch-model.ts";
import { manifestOf } from "../conformance/tiny-engines.ts";
import { PERPLEXITY_TEXT, perplexityGolden, perplexityKinds, perplexityOn } from "./perplexity.ts";

const MODEL_PATH = requireDefaultModel(
  { path: defaultModelPath(cacheFolder(process.env)), fileBytes: DEFAULT_MODEL.fileBytes },
  "perplexity of the default model",
);
const TIMEOUT_MS = 120_000;
/** Of int8 over f32, both ways; issue 5 asks for 0.5 % of Q4_1 files. Measured figures: docs/benchmarks.md. */
const CHANGE_MAX = 0.005;
/** With a KV cache of int8 as well: the same issue's 1 %. */
const KV_INT8_CHANGE_MAX = 0.01;

const golden = perplexityGolden();

it("has the oracle's figure for the text as committed", () => {
  const digest = createHash("sha256").update(readFileSync(PERPLEXITY_TEXT)).digest("hex");
  expect(digest).toBe(golden.textSha256);
});

describe.skipIf(MODEL_PATH === undefined)("perplexity of the default model", () => {
  it.each(perplexityKinds({ isQuick: true }))(
    "is near the oracle's on $name",
    { timeout: TIMEOUT_MS },
    async (kind) => {
      await using manifest = await manifestOf(MODEL_PATH ?? "");
      const perplexity = await perplexityOn(kind, manifest.path, golden.ids);
      const change = perplexity / golden.perplexity - 1;
      const figures = `${perplexity.toFixed(4)}, oracle ${golden.perplexity.toFixed(4)}`;
      process.stderr.write(
        `perplexity ${kind.name}: ${figures}, change ${(100 * change).toFixed(3)} %\n`,
      );
      expect(Math.abs(change)).toBeLessThan(
        kind.kvType === "int8" ? KV_INT8_CHANGE_MAX : CHANGE_MAX,
      );
    },
  );
});
