// The prefix cache through a real node (native engine, tiny model): what is said never depends on it, usage tells it.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HAS_NATIVE_CORE, TinyNode } from "../testing/tiny-node.ts";

interface Answer {
  readonly choices: readonly { readonly message: { readonly content: string } }[];
  readonly usage: {
    readonly prompt_tokens: number;
    readonly prompt_tokens_details: { readonly cached_tokens: number };
  };
}

const LONG = "The quick brown fox jumps over the lazy dog, and then it does so again. ".repeat(2);

describe.skipIf(!HAS_NATIVE_CORE)("the prefix cache of a real node", () => {
  let tiny: TinyNode;

  beforeAll(async () => {
    tiny = await TinyNode.start(["--max-running", "4"]);
  });
  afterAll(() => tiny[Symbol.asyncDispose]());

  function post(content: string, more: object): Promise<Response> {
    const messages = [{ role: "user", content }];
    const body = { messages, temperature: 0, max_completion_tokens: 16, ...more };
    return fetch(`${tiny.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  }

  async function ask(content: string, more: object = {}) {
    const answer = (await (await post(content, more)).json()) as Answer;
    const { prompt_tokens: promptTokens, prompt_tokens_details: details } = answer.usage;
    const text = answer.choices[0]?.message.content;
    return { text, promptTokens, cachedTokens: details.cached_tokens };
  }

  it("takes all full blocks of a repeated prompt but the last token, and says the same", async () => {
    const off = await ask(LONG, { cache_prompt: false });
    expect(off.cachedTokens).toBe(0);
    expect(off.promptTokens).toBeGreaterThan(32);
    const cold = await ask(LONG);
    // What came with cache_prompt false was not kept either.
    expect(cold.cachedTokens).toBe(0);
    const warm = await ask(LONG);
    expect(warm.cachedTokens).toBe(16 * Math.floor((warm.promptTokens - 1) / 16));
    expect([cold.text, warm.text]).toEqual([off.text, off.text]);
    expect((await ask(LONG, { cache_prompt: false })).cachedTokens).toBe(0);
  });

  it("takes the common beginning of another prompt, and says what that one says alone", async () => {
    const other = `${LONG}But what does the dog say?`;
    const off = await ask(other, { cache_prompt: false });
    const on = await ask(other);
    expect(on.cachedTokens).toBeGreaterThan(16);
    expect(on.cachedTokens).toBeLessThan(on.promptTokens);
    expect(on.text).toBe(off.text);
  });

  it("computes the whole prompt when penalties read it", async () => {
    const off = await ask(LONG, { cache_prompt: false, repetition_penalty: 1.3 });
    const on = await ask(LONG, { repetition_penalty: 1.3 });
    expect(on).toEqual(off);
  });

  it("tells the cached tokens in the last chunk of a stream", async () => {
    const { cachedTokens } = await ask(LONG);
    const more = { stream: true, stream_options: { include_usage: true } };
    const text = await (await post(LONG, more)).text();
    expect(cachedTokens).toBeGreaterThan(0);
    expect(text).toContain(`"prompt_tokens_details":{"cached_tokens":${cachedTokens}`);
  });

  it("tells the cached tokens of several answers to one prompt once, also when there are none", async () => {
    const cold = { n: 2, cache_prompt: false };
    expect((await ask(LONG, cold)).cachedTokens).toBe(0);
    await ask(LONG);
    const whole = await ask(LONG, { n: 2 });
    expect(whole.cachedTokens).toBe(16 * Math.floor((whole.promptTokens - 1) / 16));
    const more = { n: 2, stream: true, stream_options: { include_usage: true } };
    const text = await (await post(LONG, more)).text();
    expect(text).toContain(`"prompt_tokens_details":{"cached_tokens":${whole.cachedTokens}`);
    const streamedCold = await (await post(LONG, { ...more, ...cold })).text();
    expect(streamedCold).toContain('"prompt_tokens_details":{"cached_tokens":0');
  });

  it("refuses anything but a boolean", async () => {
    const response = await post("hello", { cache_prompt: "no" });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { param: "cache_prompt" } });
  });
});
