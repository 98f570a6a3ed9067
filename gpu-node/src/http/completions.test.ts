// Completions of a real node (native engine, tiny model) through the official SDK: prompts go on as they are.
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HAS_NATIVE_CORE, TinyNode } from "../testing/tiny-node.ts";

const PROMPT = "The quick brown fox jumps over the";
/** Longer than a page, so that a second request finds it in the cache. */
const LONG = "The quick brown fox jumps over the lazy dog, and then it does so again. ".repeat(2);

describe.skipIf(!HAS_NATIVE_CORE)("completions", () => {
  let tiny: TinyNode;
  let client: OpenAI;

  beforeAll(async () => {
    tiny = await TinyNode.start(["--max-running", "4"]);
    client = new OpenAI({ baseURL: `${tiny.url}/v1`, apiKey: "unused", maxRetries: 0 });
  });
  afterAll(() => tiny[Symbol.asyncDispose]());

  type Prompt = OpenAI.CompletionCreateParams["prompt"];

  function complete(prompt: Prompt, more: object = {}) {
    const fixed = { model: tiny.node.model.id, prompt, temperature: 0, ignore_eos: true };
    return client.completions.create({ ...fixed, ...more, stream: false });
  }

  it("go on from the prompt itself, sixteen tokens by default", async () => {
    const answer = await complete(PROMPT);
    const tokens = await tiny.node.model.encodeText(PROMPT);
    expect(answer).toMatchObject({
      object: "text_completion",
      model: tiny.node.model.id,
      choices: [{ index: 0, finish_reason: "length", logprobs: null }],
      usage: { prompt_tokens: tokens.length, completion_tokens: 16 },
    });
    expect(answer.id).toMatch(/^cmpl-req_/);
    expect(answer.choices[0]?.text).not.toBe("");
    // The same tokens as the prompt, and the answer of half the length is how this one begins.
    expect((await complete([...tokens])).choices).toEqual(answer.choices);
    const half = await complete(PROMPT, { max_tokens: 8 });
    expect(answer.choices[0]?.text.startsWith(half.choices[0]?.text ?? "?")).toBe(true);
  });

  it("answer several prompts times n by index, each as alone, and count each prompt once", async () => {
    const prompts = ["hello", PROMPT, "the sea"];
    const more = { n: 2, temperature: 1.2, seed: 3, max_tokens: 6 };
    const alone: OpenAI.Completion[] = [];
    for (const prompt of prompts) alone.push(await complete(prompt, more));
    const answer = await complete(prompts, more);
    expect(answer.choices.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(answer.choices.map(({ text }) => text)).toEqual(
      alone.flatMap(({ choices }) => choices.map(({ text }) => text)),
    );
    const sum = (field: "prompt_tokens" | "completion_tokens") =>
      alone.reduce((all, { usage }) => all + (usage?.[field] ?? NaN), 0);
    expect(answer.usage).toMatchObject({
      prompt_tokens: sum("prompt_tokens"),
      completion_tokens: 36,
    });
    expect(sum("completion_tokens")).toBe(36);
  });

  it("stream the same text by index, with usage at the end when asked", async () => {
    const more = { n: 2, temperature: 1.2, seed: 3, logprobs: 2 };
    const prompt = [PROMPT, "hello"];
    const whole = await complete(prompt, more);
    const stream = await client.completions.create({
      model: tiny.node.model.id,
      prompt,
      ...more,
      ...{ ignore_eos: true },
      stream: true,
      stream_options: { include_usage: true },
    });
    const texts = ["", "", "", ""];
    const offsets: number[][] = [[], [], [], []];
    const ends: unknown[] = [];
    let usage: unknown;
    for await (const chunk of stream) {
      expect(chunk.object).toBe("text_completion");
      for (const { index, text, logprobs, finish_reason: end } of chunk.choices) {
        texts[index] += text;
        offsets[index]?.push(...(logprobs?.text_offset ?? []));
        // Null while it goes on, whatever the SDK's types say.
        if ((end as string | null) !== null) ends[index] = end;
      }
      usage = chunk.usage ?? usage;
    }
    expect(texts).toEqual(whole.choices.map(({ text }) => text));
    expect(offsets).toEqual(whole.choices.map(({ logprobs }) => logprobs?.text_offset));
    expect(ends).toEqual(["length", "length", "length", "length"]);
    expect(usage).toMatchObject({
      prompt_tokens: whole.usage?.prompt_tokens,
      completion_tokens: 64,
    });
  });

  it("give log-probabilities as parallel lists", async () => {
    const { choices } = await complete(PROMPT, { logprobs: 3, max_tokens: 5 });
    const { logprobs } = choices[0] ?? {};
    expect(logprobs?.tokens).toHaveLength(5);
    for (const [index, top] of (logprobs?.top_logprobs ?? []).entries()) {
      const best = Math.max(...Object.values(top));
      // Greedy: the sampled token is the likeliest.
      expect(logprobs?.token_logprobs?.[index]).toBe(best);
      expect(Object.keys(top).length).toBeLessThanOrEqual(3);
    }
    expect(logprobs?.text_offset?.[0]).toBe(0);
    const none = await complete(PROMPT, { logprobs: 0, max_tokens: 2 });
    expect(none.choices[0]?.logprobs?.top_logprobs).toEqual([{}, {}]);
  });

  it("end at stop strings, take the best of several, and find their prompt in the cache", async () => {
    const { text } = (await complete(PROMPT)).choices[0] ?? { text: "" };
    const stop = text.slice(2, 5);
    const stopped = await complete(PROMPT, { stop });
    expect(stopped.choices).toMatchObject([
      { text: text.slice(0, text.indexOf(stop)), finish_reason: "stop" },
    ]);
    const sampled = { temperature: 1.2, seed: 5, max_tokens: 4 };
    const best = await complete(PROMPT, { ...sampled, best_of: 3 });
    const all = await complete(PROMPT, { ...sampled, n: 3 });
    expect(all.choices.map((choice) => choice.text)).toContain(best.choices[0]?.text);
    expect([best.choices.length, best.usage?.completion_tokens]).toEqual([1, 12]);
    await complete(LONG);
    const again = await complete(LONG);
    expect(again.usage?.prompt_tokens_details?.cached_tokens).toBeGreaterThan(0);
  });

  it("refuse what cannot be served, naming the field", async () => {
    const context = tiny.node.model.contextTokens;
    for (const [prompt, more, param] of [
      ["a", { echo: true }, "echo"],
      ["a", { suffix: "b" }, "suffix"],
      ["a", { model: "other" }, "model"],
      ["a", { n: 5 }, "n"],
      ["a", { max_tokens: context }, "prompt"],
      [["a", "b ".repeat(context)], {}, "prompt.1"],
      [[1, 1_000_000], {}, "prompt"],
      [["a", "b"], { best_of: 2 }, "best_of"],
    ] as const) {
      await expect(complete(prompt as Prompt, more)).rejects.toMatchObject({ param });
    }
  });
});
