// Holds tokenizer and chat template to transformers, on the default model and on the tiny one: token ids of every
// golden string, decoded text, renderings and ids of every golden chat. Also that the second opening is quick.
import { readFile } from "node:fs/promises";
import { performance } from "node:perf_hooks";
import path from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { requireDefaultModel } from "@fairlane/testkit";
import { cacheFolder } from "../../gpu-node/src/model/cache-folder.ts";
import { DEFAULT_MODEL } from "../../gpu-node/src/model/default-model.ts";
import { defaultModelPath } from "../../gpu-node/src/model/fetch-model.ts";
import { openModel } from "../../gpu-node/src/model/open-model.ts";
import { ChatTemplate } from "../../gpu-node/src/tokenize/chat-template.ts";
import { Detokenizer } from "../../gpu-node/src/tokenize/detokenizer.ts";
import { Tokenizer } from "../../gpu-node/src/tokenize/tokenizer.ts";

const CACHE = cacheFolder(process.env);
const MODEL_PATH = requireDefaultModel(
  { path: defaultModelPath(CACHE), fileBytes: DEFAULT_MODEL.fileBytes },
  "token goldens of the default model",
);
const TINY = path.resolve(import.meta.dirname, "../fixtures/tiny-llama");
const CLOCK = { nowMs: () => 0 };
const parse = { specialTokens: "parse" } as const;

const goldenSchema = z.object({
  model: z.object({ sha256: z.string() }).optional(),
  tokens: z.array(
    z.object({ text: z.string(), ids: z.array(z.int()), decoded: z.string().optional() }),
  ),
  chats: z.array(
    z.object({
      name: z.string(),
      messages: z.array(z.object({ role: z.string(), content: z.string() })),
      text: z.string(),
      ids: z.array(z.int()),
    }),
  ),
});
type Golden = z.infer<typeof goldenSchema>;

async function readGolden(name: string): Promise<Golden> {
  const text = await readFile(path.join(import.meta.dirname, name), "utf8");
  return goldenSchema.parse(JSON.parse(text));
}

async function openParts(modelPath: string) {
  const model = await openModel(modelPath, { cacheFolder: CACHE });
  if (!model.chatTemplate) throw new Error("both models have a chat template");
  const tokenizer = new Tokenizer(model.tokenizerSource);
  return { model, tokenizer, template: new ChatTemplate(model.chatTemplate, CLOCK) };
}
type Parts = Awaited<ReturnType<typeof openParts>>;

/** One list of all differences, so that a failure shows every string at once. */
function tokenDifferences({ tokenizer }: Parts, golden: Golden) {
  return golden.tokens.flatMap(({ text, ids }) => {
    const actual = [...tokenizer.encode(text, parse)];
    return JSON.stringify(actual) === JSON.stringify(ids) ? [] : [{ text, ids, actual }];
  });
}

function expectChatsEqual({ tokenizer, template }: Parts, golden: Golden): void {
  for (const { name, messages, text, ids } of golden.chats) {
    expect(template.render(messages), name).toBe(text);
    expect([...tokenizer.encode(text, parse)], name).toEqual(ids);
    // What clients send takes the guarded way; it differs where content spells a control token, and only there.
    const isGuarded = messages.some(({ content }) => /<\|im_(start|end)\|>/.test(content));
    const guarded = [...template.encode(tokenizer, messages)];
    if (isGuarded) expect(guarded, name).not.toEqual(ids);
    else expect(guarded, name).toEqual(ids);
  }
}

describe.skipIf(MODEL_PATH === undefined)("token goldens of the default model", () => {
  let golden: Golden;
  let parts: Parts;
  beforeAll(async () => {
    golden = await readGolden("smollm2-tokens.json");
    parts = await openParts(MODEL_PATH ?? "");
  });

  it("are of the model that is served", () => {
    expect(parts.model.digest).toBe(golden.model?.sha256);
    expect(parts.model.digest).toBe(DEFAULT_MODEL.sha256);
    expect(golden.tokens.length).toBeGreaterThanOrEqual(200);
  });

  it("are equal on every string", () => {
    expect(tokenDifferences(parts, golden)).toEqual([]);
  });

  it("decode to the same text, at once and in pieces", () => {
    const { tokenizer } = parts;
    for (const { text, ids, decoded } of golden.tokens) {
      // transformers decoded the control tokens, too; here they have no text.
      if (ids.some((id) => tokenizer.specialIds.has(id))) continue;
      expect(tokenizer.decode(ids)).toBe(decoded ?? text);
      const detokenizer = new Detokenizer(tokenizer);
      expect(detokenizer.pushAll(ids) + detokenizer.flush()).toBe(decoded ?? text);
    }
  });

  it("are equal on every chat", () => {
    expectChatsEqual(parts, golden);
    expect(golden.chats.length).toBeGreaterThan(10);
  });

  it("come from a model that opens within a second once its digest is known", async () => {
    const tookMs: number[] = [];
    // The best of three: other tests share the machine.
    for (let round = 0; round < 3; round++) {
      const startedMs = performance.now();
      await openParts(MODEL_PATH ?? "");
      tookMs.push(performance.now() - startedMs);
    }
    const bestMs = Math.min(...tookMs);
    process.stderr.write(`default model opened, tokenizer built: ${bestMs.toFixed(0)} ms\n`);
    expect(bestMs).toBeLessThan(1_000);
  });
});

describe("token goldens of the tiny model", () => {
  it.each(["tiny-llama.gguf", "hf"])("are equal from %s", async (name) => {
    const golden = await readGolden("tiny-llama.json");
    const parts = await openParts(path.join(TINY, name));
    expect(tokenDifferences(parts, golden)).toEqual([]);
    expectChatsEqual(parts, golden);
  });
});
