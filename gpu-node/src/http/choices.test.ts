// Several answers to one request on a real node (native engine, tiny model), through the official SDK.
import OpenAI, { BadRequestError } from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HAS_NATIVE_CORE, TinyNode } from "../testing/tiny-node.ts";

describe.skipIf(!HAS_NATIVE_CORE)("several answers to one request", () => {
  let tiny: TinyNode;
  let client: OpenAI;

  beforeAll(async () => {
    tiny = await TinyNode.start(["--max-running", "4"]);
    client = new OpenAI({ baseURL: `${tiny.url}/v1`, apiKey: "unused", maxRetries: 0 });
  });
  afterAll(() => tiny[Symbol.asyncDispose]());

  /** `more` may hold what OpenAI's chats do not have. */
  function ask(more: object = {}) {
    const messages = [{ role: "user" as const, content: "The quick brown fox jumps over the" }];
    const fixed = { model: tiny.node.model.id, messages, max_completion_tokens: 12 };
    return client.chat.completions.create({ ...fixed, temperature: 1.2, seed: 3, ...more });
  }

  it("are sampled apart, the first as one alone, all the same again with the seed", async () => {
    const alone = await ask();
    const answer = await ask({ n: 4 });
    const texts = answer.choices.map(({ message }) => message.content);
    expect(answer.choices.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
    expect(texts[0]).toBe(alone.choices[0]?.message.content);
    expect(new Set(texts).size).toBe(4);
    expect((await ask({ n: 4 })).choices).toEqual(answer.choices);
    // Without the cache nothing changes but the time.
    expect((await ask({ n: 4, cache_prompt: false })).choices).toEqual(answer.choices);
    const perChoice = answer.usage?.completion_tokens ?? 0;
    expect(perChoice).toBeGreaterThan(12);
    expect(perChoice).toBeLessThanOrEqual(48);
    expect(answer.usage?.prompt_tokens).toBe(alone.usage?.prompt_tokens);
  });

  it("are the same for all when greedy, whatever is shared", async () => {
    for (const more of [{}, { cache_prompt: false }, { presence_penalty: 0.5 }]) {
      const alone = await ask({ ...more, temperature: 0 });
      const answer = await ask({ ...more, temperature: 0, n: 3 });
      const texts = answer.choices.map(({ message }) => message.content);
      expect(texts).toEqual(Array(3).fill(alone.choices[0]?.message.content));
    }
  });

  it("stream by their index, each with a role and an end of its own", async () => {
    const whole = await ask({ n: 3, logprobs: true });
    const stream = await client.chat.completions.create({
      model: tiny.node.model.id,
      messages: [{ role: "user" as const, content: "The quick brown fox jumps over the" }],
      max_completion_tokens: 12,
      temperature: 1.2,
      seed: 3,
      n: 3,
      logprobs: true,
      stream: true,
      stream_options: { include_usage: true },
    });
    const texts = ["", "", ""];
    const roles: number[] = [];
    const ends: unknown[] = [];
    let logprobCount = 0;
    let usage: OpenAI.CompletionUsage | null | undefined;
    for await (const chunk of stream) {
      usage = chunk.usage;
      for (const { index, delta, finish_reason: reason, logprobs } of chunk.choices) {
        texts[index] += delta.content ?? "";
        if (delta.role === "assistant") roles.push(index);
        if (reason !== null) ends[index] = reason;
        logprobCount += logprobs?.content?.length ?? 0;
      }
    }
    expect(texts).toEqual(whole.choices.map(({ message }) => message.content));
    expect(ends).toEqual(whole.choices.map(({ finish_reason: reason }) => reason));
    expect(roles).toEqual([0, 1, 2]);
    const scored = whole.choices.flatMap(({ logprobs }) => logprobs?.content ?? []);
    expect(logprobCount).toBe(scored.length);
    expect(usage?.completion_tokens).toBe(whole.usage?.completion_tokens);
  });

  it("are chosen by their log-probability per token with best_of", async () => {
    const all = await ask({ n: 4, logprobs: true });
    const means = all.choices.map(({ logprobs }) => {
      const content = logprobs?.content ?? [];
      return content.reduce((sum, { logprob }) => sum + logprob, 0) / content.length;
    });
    const best = means.indexOf(Math.max(...means));
    const answer = await ask({ best_of: 4 });
    expect(answer.choices).toHaveLength(1);
    expect(answer.choices[0]).toMatchObject({
      index: 0,
      message: { content: all.choices[best]?.message.content },
      logprobs: null,
    });
    // All that was computed is counted.
    expect(answer.usage?.completion_tokens).toBe(all.usage?.completion_tokens);
  });

  it("are refused beyond what the node computes at once", async () => {
    const refused = ask({ n: 5 });
    await expect(refused).rejects.toThrow("at most 4 answers at once, not 5");
    await expect(refused).rejects.toMatchObject({ status: 400, param: "n" });
    await expect(refused).rejects.toBeInstanceOf(BadRequestError);
  });

  it("leave with their client", async () => {
    const stream = await client.chat.completions.create({
      model: tiny.node.model.id,
      messages: [{ role: "user" as const, content: "hello" }],
      n: 4,
      stream: true,
    });
    for await (const _ of stream) break;
    // The four slots are free again, or this would wait for ever.
    expect((await ask({ n: 4 })).choices).toHaveLength(4);
  });
});
