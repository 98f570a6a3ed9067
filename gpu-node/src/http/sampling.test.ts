// Drives every sampling field through the official OpenAI SDK against a real node (native engine, tiny model).
import OpenAI from "openai";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HAS_NATIVE_CORE, TinyNode } from "../testing/tiny-node.ts";

describe.skipIf(!HAS_NATIVE_CORE)("sampling fields", () => {
  let tiny: TinyNode;
  let client: OpenAI;

  beforeAll(async () => {
    tiny = await TinyNode.start(["--max-running", "8"]);
    client = new OpenAI({ baseURL: `${tiny.url}/v1`, apiKey: "unused", maxRetries: 0 });
  });
  afterAll(() => tiny[Symbol.asyncDispose]());

  async function complete(content: string, more: object = {}) {
    const answer = await client.chat.completions.create({
      model: tiny.node.model.id,
      messages: [{ role: "user" as const, content }],
      temperature: 0,
      max_completion_tokens: 12,
      ...more,
      stream: false,
    });
    const [choice] = answer.choices;
    return {
      text: choice?.message.content ?? "",
      finish: choice?.finish_reason,
      tokens: answer.usage?.completion_tokens,
    };
  }

  it("gives the same output for the same request and seed, whatever runs beside it", async () => {
    const sampled = {
      temperature: 1.3,
      seed: 42,
      min_p: 0.01,
      typical_p: 0.95,
      repetition_penalty: 1.1,
      presence_penalty: 0.5,
      frequency_penalty: 0.5,
      logit_bias: { "5": 1.5 },
      max_completion_tokens: 20,
    };
    const alone = await complete("seeded", sampled);
    const other = fc.record({
      content: fc.string({ minLength: 1, maxLength: 40 }),
      more: fc.record({
        temperature: fc.constantFrom(0, 0.7, 1.5),
        top_p: fc.constantFrom(0.5, 1),
        frequency_penalty: fc.constantFrom(0, 1),
        max_completion_tokens: fc.integer({ min: 1, max: 24 }),
      }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(other, { maxLength: 6 }), async (others) => {
        const [own] = await Promise.all([
          complete("seeded", sampled),
          ...others.map(({ content, more }) => complete(content, more)),
        ]);
        expect(own).toEqual(alone);
      }),
      { numRuns: 12 },
    );
  });

  it("forces and forbids tokens by logit_bias", async () => {
    const free = await complete("hello", { ignore_eos: true });
    const forced = await complete("hello", { logit_bias: { "65": 100 } });
    expect(forced.finish).toBe("length");
    expect(new Set(forced.text).size).toBe(1);
    expect(forced.text).not.toBe(free.text);
    const forbidden = await complete("hello", { logit_bias: { "65": 100, "66": 100 }, seed: 1 });
    expect(forbidden.text).not.toBe("");
    await expect(complete("hello", { logit_bias: { "1048575": 1 } })).rejects.toMatchObject({
      status: 400,
      param: "logit_bias",
    });
  });

  it("keeps going to min_tokens though the likeliest token would end the answer", async () => {
    const forced = { logit_bias: { "65": 100 } };
    const ended = await complete("hello", { ...forced, stop_token_ids: [65] });
    expect(ended).toMatchObject({ finish: "stop", tokens: 1, text: "" });
    const later = await complete("hello", { ...forced, stop_token_ids: [65], min_tokens: 5 });
    expect(later).toMatchObject({ finish: "stop", tokens: 6 });
  });

  it("gives log-probabilities of the unmodified distribution, whole and streamed alike", async () => {
    const params = {
      model: tiny.node.model.id,
      messages: [{ role: "user" as const, content: "hello" }],
      temperature: 0,
      max_completion_tokens: 6,
      logprobs: true,
      top_logprobs: 3,
      ignore_eos: true,
    };
    const whole = await client.chat.completions.create(params);
    const content = whole.choices[0]?.logprobs?.content ?? [];
    expect(content).toHaveLength(6);
    for (const { token, logprob, bytes, top_logprobs: top } of content) {
      expect(top).toHaveLength(3);
      // Greedy: the token is the likeliest one.
      expect(top[0]).toEqual({ token, logprob, bytes });
      const [first = 0, second = 0, third = 0] = top.map((one) => one.logprob);
      expect(first <= 0 && first >= second && second >= third).toBe(true);
      expect(Math.exp(first) + Math.exp(second) + Math.exp(third)).toBeLessThanOrEqual(1.000_01);
    }
    const bytes = content.flatMap((entry) => entry.bytes ?? []);
    expect(new TextDecoder().decode(Uint8Array.from(bytes))).toBe(
      whole.choices[0]?.message.content,
    );
    const stream = await client.chat.completions.create({ ...params, stream: true });
    const streamed: unknown[] = [];
    for await (const chunk of stream) {
      streamed.push(...(chunk.choices[0]?.logprobs?.content ?? []));
    }
    expect(streamed).toEqual(content);
    // A bias changes what is sampled, not how likely the model finds it.
    const biased = await client.chat.completions.create({ ...params, logit_bias: { "65": 100 } });
    const forced = biased.choices[0]?.logprobs?.content?.[0];
    expect(forced?.top_logprobs).toEqual(content[0]?.top_logprobs);
    expect(forced?.logprob).toBeLessThan(forced?.top_logprobs[0]?.logprob ?? 0);
    await expect(
      client.chat.completions.create({ ...params, logprobs: false }),
    ).rejects.toMatchObject({ status: 400, param: "top_logprobs" });
  });

  it("gives no log-probability of a stop string's tokens", async () => {
    const ask = { temperature: 0, logprobs: true, ignore_eos: true };
    const model = tiny.node.model.id;
    const messages = [{ role: "user" as const, content: "hello" }];
    const free = await client.chat.completions.create({ model, messages, max_tokens: 8, ...ask });
    const all = free.choices[0]?.logprobs?.content ?? [];
    const text = free.choices[0]?.message.content ?? "";
    const stop = text.slice(-3);
    const before = text.slice(0, text.indexOf(stop));
    const cut = await client.chat.completions.create({
      model,
      messages,
      max_tokens: 8,
      ...ask,
      stop,
    });
    const content = cut.choices[0]?.logprobs?.content ?? [];
    expect(cut.choices[0]?.message.content).toBe(before);
    expect(content).toEqual(all.slice(0, content.length));
    const bytes = content.slice(0, -1).flatMap((entry) => entry.bytes ?? []);
    expect(before.startsWith(new TextDecoder().decode(Uint8Array.from(bytes)))).toBe(true);
  });

  it("repeats nothing under a strong frequency penalty", async () => {
    const penalised = { frequency_penalty: 2, ignore_eos: true, max_completion_tokens: 40 };
    const biased = { logit_bias: { "65": 6 } };
    const without = await complete("hello", { ...penalised, ...biased, frequency_penalty: 0 });
    const withIt = await complete("hello", { ...penalised, ...biased });
    expect(withIt.text).not.toBe(without.text);
    expect(new Set(withIt.text).size).toBeGreaterThan(new Set(without.text).size);
  });
});
