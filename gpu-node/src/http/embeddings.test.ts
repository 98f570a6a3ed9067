// Embeddings of a real node (native engine, tiny model) through the official SDK, which asks for base64 by default.
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HAS_NATIVE_CORE, TinyNode } from "../testing/tiny-node.ts";

const LONG = "The quick brown fox jumps over the lazy dog, and then it does so again. ".repeat(2);

describe.skipIf(!HAS_NATIVE_CORE)("embeddings", () => {
  let tiny: TinyNode;
  let client: OpenAI;

  beforeAll(async () => {
    tiny = await TinyNode.start(["--max-running", "4"]);
    client = new OpenAI({ baseURL: `${tiny.url}/v1`, apiKey: "unused", maxRetries: 0 });
  });
  afterAll(() => tiny[Symbol.asyncDispose]());

  /** `more` may hold what OpenAI's API does not have. */
  function embed(input: string | readonly string[] | readonly number[], more: object = {}) {
    const params = { model: tiny.node.model.id, input: input as string, ...more };
    return client.embeddings.create(params);
  }

  async function vectorOf(input: string | number[], more: object = {}): Promise<readonly number[]> {
    const answer = await embed(input, more);
    return answer.data[0]?.embedding ?? [];
  }

  it("are vectors of unit length and the model's size, with the prompt's tokens as usage", async () => {
    const answer = await embed(LONG);
    expect(answer).toMatchObject({ object: "list", model: tiny.node.model.id });
    expect(answer.data).toHaveLength(1);
    const { embedding, index, object } = answer.data[0] ?? { embedding: [] };
    expect([object, index]).toEqual(["embedding", 0]);
    expect(embedding).toHaveLength(tiny.node.info.hiddenSize);
    expect(embedding.reduce((sum, value) => sum + value * value, 0)).toBeCloseTo(1, 5);
    expect(answer.usage.prompt_tokens).toBeGreaterThan(32);
    expect(answer.usage.total_tokens).toBe(answer.usage.prompt_tokens);
  });

  it("are the same as numbers and as base64, from text and from its tokens", async () => {
    const vector = await vectorOf("hello");
    expect(await vectorOf("hello", { encoding_format: "float" })).toEqual([...vector]);
    const tokens = await tiny.node.model.encodeText("hello");
    expect(await vectorOf([...tokens])).toEqual(vector);
  });

  it("are the same of several inputs as of each alone, in their order", async () => {
    const inputs = ["hello", LONG, "the sea", "hello", "a", "b", "c"];
    const alone = [];
    for (const input of inputs) alone.push(await vectorOf(input));
    for (const pooling of [undefined, "last"]) {
      const answer = await embed(inputs, { pooling });
      expect(answer.data.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6]);
      expect(answer.data.map(({ embedding }) => embedding)).toEqual(alone);
    }
    expect(new Set(alone.map(String)).size).toBe(6);
  });

  it("are pooled as asked, whatever the prefix cache holds", async () => {
    const last = await vectorOf(LONG, { pooling: "last" });
    const mean = await vectorOf(LONG, { pooling: "mean" });
    expect(mean).not.toEqual(last);
    // Again, now that the prompt's blocks are kept.
    expect(await vectorOf(LONG, { pooling: "mean" })).toEqual(mean);
    expect(await vectorOf(LONG, { pooling: "last" })).toEqual(last);
    const chat = { messages: [{ role: "user" as const, content: "hi" }], max_tokens: 4 };
    const both = await Promise.all([
      vectorOf(LONG, { pooling: "mean" }),
      client.chat.completions.create({ model: tiny.node.model.id, ...chat }),
    ]);
    expect(both[0]).toEqual(mean);
  });

  it("refuse what cannot be served, naming the field", async () => {
    const context = tiny.node.model.contextTokens;
    for (const [input, more, param] of [
      ["a", { dimensions: 8 }, "dimensions"],
      ["a", { model: "other" }, "model"],
      [["a", "b ".repeat(context)], {}, "input.1"],
      [Array<number>(context).fill(1), {}, "input"],
      [[1, 1_000_000], {}, "input"],
    ] as const) {
      await expect(embed(input, more)).rejects.toMatchObject({ param });
    }
    const many = Array<string>(257).fill("a");
    await expect(embed(many)).rejects.toMatchObject({ status: 400, param: "input" });
  });
});
