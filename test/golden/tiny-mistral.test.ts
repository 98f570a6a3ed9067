// Holds sliding windows and SentencePiece vocabularies to transformers and sentencepiece: the tiny Mistral from a Hugging
// Face folder and from GGUF, and the tiny Qwen2 with a window in its second layer (two KV groups). Prompts and answers
// are longer than the window.
import { cp } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { openModel } from "../../gpu-node/src/model/open-model.ts";
import { temporaryFolder } from "../../gpu-node/src/model/testing/corrupt-copy.ts";
import { ChatTemplate } from "../../gpu-node/src/tokenize/chat-template.ts";
import { Detokenizer } from "../../gpu-node/src/tokenize/detokenizer.ts";
import { Tokenizer } from "../../gpu-node/src/tokenize/tokenizer.ts";
import { manifestOf, openKind, runnableKinds } from "../conformance/tiny-engines.ts";
import { compareTeacherForced, figuresLine, generateGreedy } from "./compare-logits.ts";
import { tinyMistralTexts, tinyModels, type GoldenRun } from "./read-goldens.ts";

/** Above this margin between the golden's first and second token int8 must agree. */
const INT8_MARGIN = 0.3;
/** Bound on the root mean square of the 32 largest logits' differences. */
const INT8_TOP_RMS = 0.11;
const NO_CACHE = { cacheFolder: "/dev/null/none" };
const FIXTURES = fileURLToPath(new URL("../fixtures", import.meta.url));
const FILES = ["hf", "tiny-mistral-f16.gguf"];

/** The model of a golden: as it lies there, or the tiny Qwen2 under another configuration. */
async function modelPath(file: string): Promise<AsyncDisposable & { readonly path: string }> {
  const path = join(FIXTURES, "tiny-mistral", file);
  if (file !== "qwen2-window") return { path, [Symbol.asyncDispose]: () => Promise.resolve() };
  const folder = await temporaryFolder();
  await cp(join(FIXTURES, "tiny-qwen/qwen2-hf"), folder.path, { recursive: true });
  await cp(join(path, "config.json"), join(folder.path, "config.json"));
  return folder;
}

function describeModel(file: string, runs: readonly GoldenRun[]): void {
  it.each(runnableKinds())(`${file} agrees with the oracle on $name`, async (kind) => {
    await using model = await modelPath(file);
    await using manifest = await manifestOf(model.path);
    const engine = openKind(kind, manifest.path, { keepLogits: true });
    try {
      const windows = engine.info.kvGroups.map(({ windowTokens }) => windowTokens);
      expect(windows).toEqual(file === "qwen2-window" ? [null, 24] : [24]);
      const figures = await compareTeacherForced(engine, runs);
      process.stderr.write(`${figuresLine(`${file} ${kind.name}`, figures)}\n`);
      if (kind.numerics === "f32") {
        expect(figures.topDifferenceMax).toBeLessThan(0.001);
        expect(figures.logSumExpDifferenceMax).toBeLessThan(0.001);
        expect(figures.argmaxEqualCount).toBe(figures.positionCount);
        expect(await generateGreedy(engine, runs)).toEqual(runs.map((run) => run.generatedIds));
      } else {
        expect(figures.lostMarginMax).toBeLessThan(INT8_MARGIN);
        expect(figures.topDifferenceRms).toBeLessThan(INT8_TOP_RMS);
      }
    } finally {
      await engine.close();
    }
  });
}

for (const { files, runs } of tinyModels("tiny-mistral.json")) {
  describe(`goldens of ${files.join(", ")}`, () => {
    for (const file of files) describeModel(file, runs);
  });
}

describe.each(FILES)("the SentencePiece vocabulary of %s", (file) => {
  const opened = openModel(join(FIXTURES, "tiny-mistral", file), NO_CACHE);
  const { tokens, marked, chats } = tinyMistralTexts();

  it("tokenises as sentencepiece does", async () => {
    const { tokenizerSource, bosTokenId } = await opened;
    const tokenizer = new Tokenizer(tokenizerSource);
    for (const { text, ids } of tokens) {
      expect([...tokenizer.encode(text, { specialTokens: "plain" })], text).toEqual(ids);
      const prompt = tokenizer.encode(text, { specialTokens: "parse", addsPromptTokens: true });
      expect([...prompt], text).toEqual([bosTokenId, ...ids]);
    }
  });

  it("tokenises control tokens in a text as transformers does", async () => {
    const tokenizer = new Tokenizer((await opened).tokenizerSource);
    for (const { text, ids } of marked) {
      expect([...tokenizer.encode(text, { specialTokens: "parse" })], text).toEqual(ids);
    }
  });

  it("decodes as sentencepiece does, whole and token by token", async () => {
    const tokenizer = new Tokenizer((await opened).tokenizerSource);
    for (const { ids, decoded } of tokens) {
      expect(tokenizer.decode(ids)).toBe(decoded);
      const detokenizer = new Detokenizer(tokenizer);
      const pieces = ids.map((id) => detokenizer.push(id));
      expect(pieces.join("") + detokenizer.flush()).toBe(decoded);
    }
  });

  it("renders and tokenises chats as transformers does", async () => {
    const { chatTemplate, tokenizerSource } = await opened;
    if (chatTemplate === undefined) throw new Error("the fixture has a chat template");
    const template = new ChatTemplate(chatTemplate, { nowMs: () => 0 });
    const tokenizer = new Tokenizer(tokenizerSource);
    for (const { messages, text, ids } of chats) {
      const rendered = template.render(messages, { addGenerationPrompt: true });
      expect(rendered).toBe(text);
      expect([...tokenizer.encode(text, { specialTokens: "parse" })], text).toEqual(ids);
    }
  });
});

describe("a tokenizer.json with a Metaspace pre-tokenizer", () => {
  it("puts the space before the first word of a text only", async () => {
    await using folder = await temporaryFolder();
    await cp(join(FIXTURES, "tiny-mistral/hf"), folder.path, { recursive: true });
    const newer = join(FIXTURES, "tiny-mistral/hf-metaspace/tokenizer.json");
    await cp(newer, join(folder.path, "tokenizer.json"));
    const tokenizer = new Tokenizer((await openModel(folder.path, NO_CACHE)).tokenizerSource);
    for (const { text, metaspaceIds } of tinyMistralTexts().marked) {
      expect([...tokenizer.encode(text, { specialTokens: "parse" })], text).toEqual(metaspaceIds);
    }
  });
});
