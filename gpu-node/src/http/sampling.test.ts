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

  it("repeats nothing under a strong frequency penalty", async () => {
    const penalised = { frequency_penalty: 2, ignore_eos: true, max_completion_tokens: 40 };
    const biased = { logit_bias: { "65": 6 } };
    const without = await complete("hello", { ...penalised, ...biased, frequency_penalty: 0 });
    const withIt = await complete("hello", { ...penalised, ...biased });
    expect(withIt.text).not.toBe(without.text);
    expect(new Set(withIt.text).size).toBeGreaterThan(new Set(without.text).size);
  });
});
