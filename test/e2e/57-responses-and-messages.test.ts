// The Responses API by the official openai package and the Messages API by the official @anthropic-ai/sdk, against the
// real model: streams, tools, stored conversations, errors, retries, and that nobody reads another's.
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import type { ResponseStreamEvent } from "openai/resources/responses/responses";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Platform, type TestTenant } from "./platform/platform.ts";

const MODEL = "smollm2-135m-instruct";
const FRANCE = "What is the capital of France?";
const PARIS = "The capital of France is Paris.";
const parameters = {
  type: "object" as const,
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};
const weather = { type: "function", name: "get_weather", parameters, strict: true } as const;

let platform: Platform;
let tenant: TestTenant;
let other: TestTenant;
let anthropic: Anthropic;

beforeAll(async () => {
  platform = await Platform.start();
  tenant = await platform.newTenant("responses");
  other = await platform.newTenant("another");
  anthropic = anthropicOf(tenant.apiKey);
});

afterAll(() => platform[Symbol.asyncDispose]());

function anthropicOf(apiKey: string, options: { readonly maxRetries?: number } = {}): Anthropic {
  return new Anthropic({ apiKey, baseURL: platform.edge.edgeUrl, maxRetries: 0, ...options });
}

async function failureOf(asking: Promise<unknown>): Promise<unknown> {
  return asking.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe("responses by the openai package", () => {
  const paris = { model: MODEL, input: FRANCE, temperature: 0, max_output_tokens: 32 };

  it("answers, keeps the answer and goes on from it", async () => {
    const { responses } = tenant.openai;
    const first = await responses.create({ ...paris, metadata: { topic: "capitals" } });
    expect(first).toMatchObject({
      object: "response",
      status: "completed",
      model: MODEL,
      output_text: PARIS,
      metadata: { topic: "capitals" },
      usage: { input_tokens: 37, output_tokens: 8, total_tokens: 45 },
    });
    const kept = await responses.retrieve(first.id);
    expect(kept).toEqual(first);
    const asked = { model: MODEL, input: FRANCE };
    const counted = { object: "response.input_tokens", input_tokens: 37 };
    expect(await responses.inputTokens.count(asked)).toEqual(counted);
    const second = await responses.create({
      ...paris,
      input: "And of Germany?",
      previous_response_id: first.id,
    });
    expect(second.output_text).toBe("The capital of Germany is Berlin.");
    // The conversation's beginning was computed before.
    expect(second.usage?.input_tokens_details.cached_tokens).toBeGreaterThan(0);
    const items = await responses.inputItems.list(second.id);
    expect(items.data).toMatchObject([
      { type: "message", role: "user", content: [{ type: "input_text", text: "And of Germany?" }] },
    ]);
    const [, ulid = ""] = second.id.split("_");
    expect(await platform.ledgerRow(`req_${ulid}`)).toMatchObject({
      prompt_tokens: second.usage?.input_tokens,
      billed_output_tokens: second.usage?.output_tokens,
    });
  });

  it("takes instructions and items, and bills what it says", async () => {
    const answer = await tenant.openai.responses.create({
      ...{ model: MODEL, temperature: 0, max_output_tokens: 4, store: false },
      instructions: "You are terse.",
      input: [
        { role: "user", content: [{ type: "input_text", text: "Hi" }] },
        { role: "assistant", content: "Hello." },
        { role: "user", content: FRANCE },
      ],
    });
    expect(answer).toMatchObject({
      status: "incomplete",
      incomplete_details: { reason: "max_output_tokens" },
      instructions: "You are terse.",
      store: false,
      usage: { output_tokens: 4 },
    });
    const gone = await failureOf(tenant.openai.responses.retrieve(answer.id));
    expect(gone).toBeInstanceOf(OpenAI.NotFoundError);
  });

  it("streams the events that the package follows, and keeps the answer before it says so", async () => {
    const stream = tenant.openai.responses.stream(paris);
    const events: ResponseStreamEvent[] = [];
    for await (const event of stream) events.push(event);
    const types = events.map(({ type }) => type);
    const deltas = types.filter((type) => type === "response.output_text.delta");
    expect(types).toEqual([
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      "response.content_part.added",
      ...deltas,
      "response.output_text.done",
      "response.content_part.done",
      "response.output_item.done",
      "response.completed",
    ]);
    expect(deltas.length).toBeGreaterThan(3);
    expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, index) => index));
    const final = await stream.finalResponse();
    expect(final.output_text).toBe(PARIS);
    const kept = await tenant.openai.responses.retrieve(final.id);
    expect(kept.output_text).toBe(PARIS);
    expect(kept.usage).toEqual(final.usage);
  });

  it("calls a function, whole and streamed alike, and takes its output", async () => {
    const asking = {
      ...{ model: MODEL, temperature: 0, parallel_tool_calls: false },
      input: "What is the weather in Paris?",
      tools: [weather],
      tool_choice: { type: "function", name: "get_weather" } as const,
    };
    const answer = await tenant.openai.responses.create(asking);
    const [call] = answer.output;
    expect(call).toMatchObject({ type: "function_call", name: "get_weather", status: "completed" });
    if (call?.type !== "function_call") throw new Error("no call");
    expect(JSON.parse(call.arguments)).toEqual({ city: "Paris" });
    const stream = tenant.openai.responses.stream(asking);
    const final = await stream.finalResponse();
    const [streamed] = final.output;
    expect(streamed).toMatchObject({ type: "function_call", arguments: call.arguments });
    const told = await tenant.openai.responses.create({
      ...{ model: MODEL, temperature: 0, max_output_tokens: 16, previous_response_id: answer.id },
      input: [{ type: "function_call_output", call_id: call.call_id, output: '{"celsius": 21}' }],
      tools: [weather],
      tool_choice: "none",
    });
    expect(told.output[0]?.type).toBe("message");
  });

  it("answers in a schema", async () => {
    const schema = { type: "object", properties: { capital: { type: "string" } } };
    const answer = await tenant.openai.responses.create({
      ...{ model: MODEL, input: FRANCE, temperature: 0, max_output_tokens: 64 },
      text: {
        format: {
          type: "json_schema",
          name: "capital",
          strict: true,
          schema: { ...schema, required: ["capital"], additionalProperties: false },
        },
      },
    });
    const said: unknown = JSON.parse(answer.output_text);
    expect(said).toEqual({ capital: expect.any(String) as unknown });
  });

  it("shows a stored response to its tenant alone, and to nobody once it is deleted", async () => {
    const { id } = await tenant.openai.responses.create({ ...paris, max_output_tokens: 1 });
    const theirs = other.openai.responses;
    expect(await failureOf(theirs.retrieve(id))).toBeInstanceOf(OpenAI.NotFoundError);
    expect(await failureOf(theirs.delete(id))).toBeInstanceOf(OpenAI.NotFoundError);
    expect(await failureOf(theirs.inputItems.list(id))).toBeInstanceOf(OpenAI.NotFoundError);
    const stolen = await failureOf(theirs.create({ ...paris, previous_response_id: id }));
    expect(stolen).toMatchObject({
      status: 400,
      code: "previous_response_not_found",
      param: "previous_response_id",
    });
    const ours = tenant.openai.responses;
    expect((await ours.retrieve(id)).id).toBe(id);
    expect(await failureOf(ours.cancel(id))).toMatchObject({ status: 400 });
    expect(await ours.delete(id)).toMatchObject({ id, deleted: true });
    expect(await failureOf(ours.retrieve(id))).toBeInstanceOf(OpenAI.NotFoundError);
    expect(await failureOf(ours.create({ ...paris, previous_response_id: id }))).toMatchObject({
      code: "previous_response_not_found",
    });
  });

  it("names the field that it does not serve", async () => {
    const ask = (change: object) =>
      failureOf(tenant.openai.responses.create({ ...paris, ...change }));
    const image = [{ role: "user", content: [{ type: "input_image", image_url: "data:," }] }];
    const fields = await Promise.all([
      ask({ tools: [{ type: "web_search" }] }),
      ask({ input: image }),
      ask({ background: true }),
      ask({ input: "word ".repeat(20_000) }),
    ]);
    expect(fields).toMatchObject([
      { status: 400, code: "unsupported_parameter", param: "tools[0].type" },
      { status: 400, code: "unsupported_parameter", param: "input[0].content[0].type" },
      { status: 400, code: "unsupported_parameter", param: "background" },
      { status: 400, code: "context_length_exceeded", param: "input" },
    ]);
  });
});

describe("messages by the anthropic package", () => {
  const question = { role: "user", content: FRANCE } as const;
  const paris = { model: MODEL, max_tokens: 32, messages: [question] };
  // Greedy, so that answers repeat; the package's types no longer name these fields.
  const greedy = { temperature: 0 } as object;

  it("answers with Anthropic's counts", async () => {
    const message = await anthropic.messages.create({ ...paris, ...greedy });
    expect(message).toMatchObject({
      type: "message",
      role: "assistant",
      model: MODEL,
      content: [{ type: "text", text: PARIS }],
      stop_reason: "end_turn",
      stop_sequence: null,
    });
    const { usage } = message;
    expect(usage.input_tokens + (usage.cache_read_input_tokens ?? 0)).toBe(37);
    expect(usage.output_tokens).toBe(8);
    const again = await anthropic.messages.create({ ...paris, ...greedy });
    expect(again.usage.cache_read_input_tokens).toBe(32);
    expect(again.usage.input_tokens).toBe(5);
  });

  it("takes a system prompt and several turns, and says why it stopped", async () => {
    const cut = await anthropic.messages.create({
      ...{ ...paris, ...greedy, max_tokens: 3 },
      system: [{ type: "text", text: "You are terse.", cache_control: { type: "ephemeral" } }],
      messages: [
        { role: "user", content: "Hi" },
        { role: "assistant", content: [{ type: "text", text: "Hello." }] },
        question,
      ],
    });
    expect(cut).toMatchObject({ stop_reason: "max_tokens", usage: { output_tokens: 3 } });
    const stopped = await anthropic.messages.create({
      ...{ ...paris, ...greedy },
      stop_sequences: ["never", " Paris"],
    });
    expect(stopped).toMatchObject({
      content: [{ type: "text", text: "The capital of France is" }],
      stop_reason: "stop_sequence",
      stop_sequence: " Paris",
    });
  });

  it("streams the events that the package follows", async () => {
    const stream = anthropic.messages.stream({ ...paris, ...greedy });
    const types: string[] = [];
    stream.on("streamEvent", (event) => void types.push(event.type));
    const message = await stream.finalMessage();
    const deltas = types.filter((type) => type === "content_block_delta");
    expect(types).toEqual([
      "message_start",
      "content_block_start",
      ...deltas,
      "content_block_stop",
      "message_delta",
      "message_stop",
    ]);
    expect(message).toMatchObject({
      content: [{ type: "text", text: PARIS }],
      stop_reason: "end_turn",
      usage: { output_tokens: 8, cache_read_input_tokens: 32 },
    });
    const stopped = anthropic.messages.stream({ ...paris, ...greedy, stop_sequences: [" Paris"] });
    expect(await stopped.finalMessage()).toMatchObject({ stop_sequence: " Paris" });
  });

  it("calls a tool, whole and streamed alike, and takes its result", async () => {
    const tool = { name: "get_weather", input_schema: parameters };
    const asked = { role: "user", content: "What is the weather in Paris?" } as const;
    const asking = {
      ...{ ...greedy, model: MODEL, max_tokens: 100, messages: [asked], tools: [tool] },
      tool_choice: { type: "tool", name: "get_weather", disable_parallel_tool_use: true } as const,
    };
    const answer = await anthropic.messages.create(asking);
    const use = answer.content.find((block) => block.type === "tool_use");
    expect(use).toMatchObject({ name: "get_weather", input: { city: "Paris" } });
    expect(answer.stop_reason).toBe("tool_use");
    const streamed = await anthropic.messages.stream(asking).finalMessage();
    expect(streamed.content).toMatchObject([{ type: "tool_use", input: { city: "Paris" } }]);
    const told = await anthropic.messages.create({
      ...{ ...asking, max_tokens: 8, tool_choice: { type: "none" } },
      messages: [
        asked,
        { role: "assistant", content: answer.content },
        {
          role: "user",
          content: [{ type: "tool_result", tool_use_id: use?.id ?? "", content: "21 degrees" }],
        },
      ],
    });
    expect(told.content[0]?.type).toBe("text");
  });

  it("counts a prompt's tokens as the answer's usage does, and bills nothing for it", async () => {
    const counted = await anthropic.messages
      .countTokens({ model: MODEL, messages: [question] })
      .withResponse();
    expect(counted.data).toEqual({ input_tokens: 37 });
    const tool = { name: "get_weather", description: "The weather", input_schema: parameters };
    const asking = { model: MODEL, system: "You are terse.", messages: [question], tools: [tool] };
    const { input_tokens: tokens } = await anthropic.messages.countTokens(asking);
    const { usage } = await anthropic.messages.create({ ...asking, max_tokens: 1 });
    expect(usage.input_tokens + (usage.cache_read_input_tokens ?? 0)).toBe(tokens);
    const huge = {
      model: MODEL,
      messages: [{ role: "user" as const, content: "word ".repeat(20_000) }],
    };
    expect((await anthropic.messages.countTokens(huge)).input_tokens).toBeGreaterThan(20_000);
    expect(await platform.ledgerRows(counted.request_id ?? "")).toEqual([]);
  });

  it("gives errors in Anthropic's shape", async () => {
    const wrong = await failureOf(anthropicOf("fl1_wrong").messages.create(paris));
    expect(wrong).toMatchObject({ status: 401, type: "authentication_error" });
    const unknown = await failureOf(anthropic.messages.create({ ...paris, model: "no-such" }));
    expect(unknown).toMatchObject({
      status: 404,
      type: "not_found_error",
      errorCode: "model_not_found",
      requestID: expect.stringMatching(/^req_/) as unknown,
    });
    const { max_tokens: _, ...bare } = paris;
    const missing = await failureOf(anthropic.messages.create(bare as typeof paris));
    expect(missing).toMatchObject({
      type: "invalid_request_error",
      apiMessage: "Missing required parameter: 'max_tokens'.",
    });
    const path = await failureOf(anthropic.post("/v1/messages/nothing", { body: {} }));
    expect(path).toMatchObject({ status: 404, type: "not_found_error" });
    const method = await failureOf(anthropic.get("/v1/messages"));
    expect(method).toMatchObject({ status: 405, type: "invalid_request_error" });
    const long = { ...paris, messages: [{ role: "user", content: "word ".repeat(20_000) }] };
    const stream = await failureOf(
      anthropic.messages.create({ ...(long as typeof paris), stream: true }),
    );
    expect(stream).toMatchObject({ status: 400, errorCode: "context_length_exceeded" });
  });

  it("is retried by the package once the limit allows it", async () => {
    const limited = await platform.newTenant("limited", { parallel_requests: 1 });
    const client = anthropicOf(limited.apiKey, { maxRetries: 4 });
    const first = client.messages.stream({ ...paris, max_tokens: 300, stop_sequences: ["never"] });
    await new Promise<void>((resolve) => void first.once("streamEvent", () => resolve()));
    const refused = await failureOf(anthropicOf(limited.apiKey).messages.create(paris));
    expect(refused).toMatchObject({ status: 429, type: "rate_limit_error" });
    first.abort();
    await failureOf(first.finalMessage());
    expect((await client.messages.create({ ...paris, ...greedy })).content).toMatchObject([
      { type: "text", text: PARIS },
    ]);
  });
});
