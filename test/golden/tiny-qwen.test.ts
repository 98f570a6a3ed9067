// Holds every native engine to the goldens of the tiny Qwen2 and Qwen3, from Hugging Face folders and from GGUF: f32
// to the oracle's numbers and tokens, int8 within stated bounds. Also their tokenizer, which both forms must give.
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { openModel } from "../../gpu-node/src/model/open-model.ts";
import { Tokenizer } from "../../gpu-node/src/tokenize/tokenizer.ts";
import { manifestOf, openKind, runnableKinds } from "../conformance/tiny-engines.ts";
import { expectGolden } from "./expect-golden.ts";
import { tinyModels, tinyQwenTexts, type GoldenRun } from "./read-goldens.ts";

/** Above this margin between the golden's first and second token int8 must agree; measured: at most 0.19. */
const INT8_MARGIN = 0.3;
/** Bound on the root mean square of the 32 largest logits' differences; measured: at most 0.074. */
const INT8_TOP_RMS = 0.11;

const pathOf = (file: string) =>
  fileURLToPath(new URL(`../fixtures/tiny-qwen/${file}`, import.meta.url));

function describeFile(file: string, runs: readonly GoldenRun[]): void {
  it.each(runnableKinds())("agrees with the oracle on $name", async (kind) => {
    await using manifest = await manifestOf(pathOf(file));
    const engine = openKind(kind, manifest.path, { keepLogits: true });
    try {
      const int8 = { margin: INT8_MARGIN, topRms: INT8_TOP_RMS };
      await expectGolden(engine, { kind, file, runs, int8 });
    } finally {
      await engine.close();
    }
  });

  it("tokenises as transformers does", async () => {
    const { tokenizerSource } = await openModel(pathOf(file), { cacheFolder: "/dev/null/none" });
    const tokenizer = new Tokenizer(tokenizerSource);
    for (const { text, ids } of tinyQwenTexts()) {
      expect([...tokenizer.encode(text, { specialTokens: "parse" })], text).toEqual(ids);
    }
  });
}

for (const { files, runs } of tinyModels("tiny-qwen.json")) {
  for (const file of files) describe(`goldens of ${file}`, () => describeFile(file, runs));
}
