// Structured output and tools as the official client sees them, through edge, hub and node on the real model.
import { Ajv } from "ajv";
import type OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Platform, type TestTenant } from "./platform/platform.ts";

let platform: Platform;
let tenant: TestTenant;
beforeAll(async () => {
  platform = await Platform.start();
  tenant = await platform.newTenant("structured");
});
afterAll(() => platform[Symbol.asyncDispose]());

const model = "smollm2-135m-instruct";
const SCHEMA = {
  type: "object",
  properties: {
    city: { type: "string" },
    country: { type: "string" },
    population_millions: { type: "number", minimum: 0, maximum: 40 },
    is_capital: { type: "boolean" },
  },
  required: ["city", "country", "population_millions", "is_capital"],
  additionalProperties: false,
};
const WEATHER: OpenAI.ChatCompletionFunctionTool = {
  type: "function",
  function: {
    name: "get_weather",
    description: "The weather in a city.",
    parameters: {
      type: "object",
      properties: { city: { type: "string" }, unit: { enum: ["celsius", "fahrenheit"] } },
      required: ["city", "unit"],
    },
  },
};
const ask = (content: string) => ({
  model,
  temperature: 0,
  max_tokens: 160,
  messages: [{ role: "user" as const, content }],
});

describe("structured output through edge, hub and node", () => {
  it("holds the real model to a JSON schema, for the SDK's helper and streamed alike", async () => {
    const request = {
      ...ask("Describe Paris as JSON."),
      response_format: {
        type: "json_schema" as const,
        json_schema: { name: "city", schema: SCHEMA, strict: true },
      },
    };
    const answer = await tenant.openai.chat.completions.parse(request);
    const text = answer.choices[0]?.message.content ?? "";
    expect(answer.choices[0]?.finish_reason).toBe("stop");
    expect(new Ajv().validate(SCHEMA, JSON.parse(text)), text).toBe(true);
    const streamed = await tenant.openai.chat.completions.stream(request).finalChatCompletion();
    expect(streamed.choices[0]?.message.content).toBe(text);
  });

  it("forces a call whose arguments are valid, whole and streamed alike", async () => {
    const request = {
      ...ask("What is the weather in Paris?"),
      tools: [WEATHER],
      tool_choice: { type: "function" as const, function: { name: "get_weather" } },
    };
    const answer = await tenant.openai.chat.completions.create(request);
    const [choice] = answer.choices;
    const call = choice?.message.tool_calls?.[0];
    if (call?.type !== "function") throw new Error("no call");
    expect([choice?.finish_reason, choice?.message.content]).toEqual(["tool_calls", null]);
    const given: unknown = JSON.parse(call.function.arguments);
    expect(new Ajv().validate(WEATHER.function.parameters ?? {}, given)).toBe(true);
    const streamed = await tenant.openai.chat.completions.stream(request).finalChatCompletion();
    const again = streamed.choices[0]?.message.tool_calls?.[0];
    expect(again?.type === "function" && again.function).toMatchObject({
      name: "get_weather",
      arguments: call.function.arguments,
    });
    expect(streamed.choices[0]?.finish_reason).toBe("tool_calls");
    // The call and its result go back as they came.
    const messages = [
      ...request.messages,
      choice?.message ?? { role: "assistant" as const, content: "" },
      { role: "tool" as const, tool_call_id: call.id, content: "Sunny, 21 degrees." },
    ];
    const after = await tenant.openai.chat.completions.create({
      ...ask(""),
      messages,
      max_tokens: 20,
    });
    expect(after.choices[0]?.message.content).not.toBe("");
  });

  it("refuses with the node's reason what no grammar can express", async () => {
    const schema = { type: "object", properties: { a: { not: {} } }, required: ["a"] };
    const refused = await tenant.openai.chat.completions
      .create({
        ...ask("x"),
        response_format: { type: "json_schema", json_schema: { name: "n", schema, strict: true } },
      })
      .catch((error: unknown) => error);
    expect(refused).toMatchObject({
      status: 400,
      code: "unsupported_schema",
      param: "response_format",
    });
    expect(String(refused)).toContain("at '/properties/a': keyword 'not' is not supported here");
  });
});
