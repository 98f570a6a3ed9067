// Drives response_format through the official SDK against a real node (native engine, tiny random model): whatever the
// model would say, answers parse and validate.
import { Ajv } from "ajv";
import fc from "fast-check";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HAS_NATIVE_CORE, TinyNode } from "../testing/tiny-node.ts";

type Schema = Record<string, unknown>;

const name = fc.constantFrom("a", "b", "name", "é", 'with "quotes"');
const leaf = fc.oneof(
  fc.constant<Schema>({ type: "boolean" }),
  fc.constant<Schema>({ type: ["integer", "null"], minimum: -3, maximum: 120 }),
  fc.constant<Schema>({ type: "number", minimum: 0, maximum: 7 }),
  fc.constant<Schema>({ type: "string", format: "date" }),
  fc
    .record({ minLength: fc.nat(3) })
    .map<Schema>((more) => ({ type: "string", maxLength: 5, ...more })),
  fc.constant<Schema>({ enum: ["red", "grün", 3, null, { x: [1] }] }),
);

function nested(depth: number): fc.Arbitrary<Schema> {
  if (depth === 0) return leaf;
  const inner = nested(depth - 1);
  const object = fc.tuple(
    fc.uniqueArray(name, { maxLength: 3 }),
    fc.array(inner, { minLength: 3, maxLength: 3 }),
    fc.nat(3),
  );
  return fc.oneof(
    leaf,
    object.map<Schema>(([names, schemas, requiredCount]) => ({
      type: "object",
      properties: Object.fromEntries(names.map((one, i) => [one, schemas[i] ?? {}])),
      required: names.slice(0, requiredCount),
      additionalProperties: false,
    })),
    fc
      .tuple(inner, fc.nat(2))
      .map<Schema>(([items, minItems]) => ({ type: "array", items, minItems, maxItems: 2 })),
    fc.tuple(inner, inner).map<Schema>((anyOf) => ({ anyOf })),
  );
}

describe.skipIf(!HAS_NATIVE_CORE)("structured output", () => {
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
      max_completion_tokens: 200,
      ...more,
      stream: false,
    });
    const [choice] = answer.choices;
    return { text: choice?.message.content ?? "", finish: choice?.finish_reason };
  }

  const formatOf = (schema: Schema) => ({
    response_format: { type: "json_schema", json_schema: { name: "answer", schema, strict: true } },
  });

  it("parses and validates for random schemas, greedy or drawn", async () => {
    let wholeCount = 0;
    const ajv = new Ajv({ formats: { date: /^\d{4}-\d\d-\d\d$/ }, allowUnionTypes: true });
    await fc.assert(
      fc.asyncProperty(
        nested(2),
        fc.constantFrom(0, 1, 2),
        fc.nat(1000),
        async (schema, temperature, seed) => {
          const answer = await complete("x", { ...formatOf(schema), temperature, seed });
          if (answer.finish === "length") return;
          wholeCount += 1;
          const value: unknown = JSON.parse(answer.text);
          expect(ajv.validate(schema, value), `${JSON.stringify(schema)}: ${answer.text}`).toBe(
            true,
          );
        },
      ),
      { numRuns: 60 },
    );
    expect(wholeCount).toBeGreaterThan(30);
  }, 60_000);

  it("says the same greedily, alone or beside others, and so do the others", async () => {
    const schema = {
      type: "object",
      properties: { a: { type: "string", maxLength: 30 }, b: { type: "integer" } },
      required: ["a", "b"],
    };
    const [structured, free] = [
      await complete("one", formatOf(schema)),
      await complete("two", { max_completion_tokens: 40 }),
    ];
    const together = await Promise.all([
      complete("two", { max_completion_tokens: 40 }),
      complete("one", formatOf(schema)),
      complete("three", { response_format: { type: "json_object" }, max_completion_tokens: 30 }),
      complete("two", { max_completion_tokens: 40 }),
      complete("one", formatOf(schema)),
    ]);
    expect([together[0], together[3]]).toEqual([free, free]);
    expect([together[1], together[4]]).toEqual([structured, structured]);
    expect(structured.finish).toBe("stop");
  });

  it("gives a JSON object, or the beginning of one where the output is cut", async () => {
    const { text, finish } = await complete("x", {
      response_format: { type: "json_object" },
      max_completion_tokens: 6,
    });
    expect(text).toMatch(/^\{/);
    if (finish === "stop") JSON.parse(text);
    else expect(finish).toBe("length");
  });

  it("streams the same text, with log-probabilities of the model's own distribution", async () => {
    const schema = {
      type: "object",
      properties: { a: { enum: ["first", "second"] } },
      required: ["a"],
    };
    const whole = await complete("x", formatOf(schema));
    const stream = await client.chat.completions.create({
      model: tiny.node.model.id,
      messages: [{ role: "user", content: "x" }],
      temperature: 0,
      logprobs: true,
      top_logprobs: 2,
      stream: true,
      response_format: {
        type: "json_schema",
        json_schema: { name: "answer", schema, strict: true },
      },
    });
    let [text, tokens] = ["", ""];
    let wasUnlikely = false;
    for await (const chunk of stream) {
      const [choice] = chunk.choices;
      text += choice?.delta.content ?? "";
      for (const entry of choice?.logprobs?.content ?? []) {
        tokens += entry.token;
        wasUnlikely ||= entry.logprob < (entry.top_logprobs[0]?.logprob ?? 0);
      }
    }
    expect([text, tokens]).toEqual([whole.text, whole.text]);
    expect(wasUnlikely).toBe(true);
  });

  it("parses for the SDK's helper", async () => {
    const answer = await client.chat.completions.parse({
      model: tiny.node.model.id,
      messages: [{ role: "user", content: "x" }],
      temperature: 0,
      response_format: {
        type: "json_schema",
        json_schema: {
          name: "answer",
          schema: { type: "array", items: { type: "boolean" }, minItems: 2, maxItems: 2 },
          strict: true,
        },
      },
    });
    const text = answer.choices[0]?.message.content ?? "";
    expect(JSON.parse(text)).toHaveLength(2);
  });

  it("refuses a schema that it cannot hold to, naming the place, and takes it leniently", async () => {
    const schema = {
      type: "object",
      properties: { a: { type: "string", contentEncoding: "base64" } },
      required: ["a"],
    };
    const refused = await complete("x", formatOf(schema)).catch((error: unknown) => error);
    expect(refused).toMatchObject({
      status: 400,
      code: "unsupported_schema",
      param: "response_format",
    });
    expect(String(refused)).toContain(
      "at '/properties/a': keyword 'contentEncoding' is not supported here",
    );
    const lenient = { type: "json_schema", json_schema: { name: "answer", schema } };
    const { text, finish } = await complete("x", {
      response_format: lenient,
      max_completion_tokens: 60,
    });
    expect(finish === "length" || text.startsWith("{")).toBe(true);
  });
});
