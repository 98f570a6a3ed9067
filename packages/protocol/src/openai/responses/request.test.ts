import { describe, expect, it } from "vitest";
import { itemTokensMax, listedItem } from "./items.ts";
import { parseResponseRequest } from "./request.ts";
import { responseChat } from "./to-chat.ts";

function refusalOf(body: unknown) {
  const parsed = parseResponseRequest(body);
  return parsed.ok ? undefined : { code: parsed.error.code, param: parsed.error.param };
}

function chatOf(body: object) {
  const parsed = parseResponseRequest(body);
  if (!parsed.ok) throw new Error(parsed.error.message);
  const chat = responseChat(parsed.value);
  if (!chat.ok) throw new Error(chat.error.message);
  return chat.value;
}

const weather = { type: "function", name: "get_weather", parameters: { type: "object" } };
const user = (content: unknown) => ({ role: "user", content });

describe("parseResponseRequest", () => {
  it.each([
    ["no input", {}, "missing_required_parameter", "input"],
    ["no item", { input: [] }, "empty_array", "input"],
    ["a field that no API has", { input: "a", nonsense: 1 }, "unknown_parameter", "nonsense"],
    ["a wrong role", { input: [{ role: "tool", content: "a" }] }, "invalid_value", "input[0].role"],
    ["no list of messages", { input: [user(3)] }, "invalid_type", "input[0].content"],
    [
      "a built-in tool",
      { input: "a", tools: [weather, { type: "web_search" }] },
      "unsupported_parameter",
      "tools[1].type",
    ],
    [
      "an item of a built-in tool",
      { input: [{ type: "computer_call_output" }] },
      "unsupported_parameter",
      "input[0].type",
    ],
    [
      "an image",
      { input: [user("a"), user([{ type: "input_image" }])] },
      "unsupported_parameter",
      "input[1].content[0].type",
    ],
    [
      "a file as a call's output",
      { input: [{ type: "function_call_output", call_id: "c", output: [{ type: "input_file" }] }] },
      "unsupported_parameter",
      "input[0].output[0].type",
    ],
    [
      "work in the background",
      { input: "a", background: true },
      "unsupported_parameter",
      "background",
    ],
    ["effort", { input: "a", reasoning: { effort: "low" } }, "unsupported_parameter", "reasoning"],
    ["cutting", { input: "a", truncation: "auto" }, "unsupported_parameter", "truncation"],
    ["a call of nothing", { input: "a", tool_choice: "required" }, "invalid_value", "tool_choice"],
    [
      "a call of another",
      { input: "a", tools: [weather], tool_choice: { type: "function", name: "other" } },
      "invalid_value",
      "tool_choice",
    ],
    [
      "tools with a format",
      { input: "a", tools: [weather], text: { format: { type: "json_object" } } },
      "unsupported_parameter",
      "text.format",
    ],
    [
      "stream options without a stream",
      { input: "a", stream_options: { include_obfuscation: false } },
      "invalid_value",
      "stream_options",
    ],
    [
      "a temperature above 2",
      { input: "a", temperature: 3 },
      "integer_above_max_value",
      "temperature",
    ],
  ])("refuses %s", (_, body, code, param) => {
    expect(refusalOf(body)).toEqual({ code, param });
  });

  it("takes fields that are off, and what its own answers contain", () => {
    const message = {
      type: "message",
      id: "msg_1",
      status: "completed",
      role: "assistant",
      content: [{ type: "output_text", text: "Hi", annotations: [], logprobs: [] }],
    };
    const call = { type: "function_call", id: "fc_1", call_id: "c", name: "f", arguments: "{}" };
    const reasoning = {
      type: "reasoning",
      id: "rs_1",
      summary: [],
      content: [],
      status: "completed",
    };
    const input = [user("a"), reasoning, message, { ...call, status: "completed" }];
    const off = { background: false, truncation: "disabled", service_tier: "auto", prompt: null };
    expect(refusalOf({ input, ...off })).toBeUndefined();
  });
});

describe("responseChat", () => {
  it("makes a text a message, after the instructions", () => {
    const body = { input: "Hi", instructions: "Be brief.", max_output_tokens: 7, temperature: 0 };
    expect(chatOf({ ...body, model: "m", stream: true })).toEqual({
      messages: [
        { role: "system", content: "Be brief." },
        { role: "user", content: "Hi" },
      ],
      model: "m",
      max_completion_tokens: 7,
      temperature: 0,
      stream: true,
    });
  });

  it("makes reasoning, text and calls of one turn one message", () => {
    const call = (id: string) => ({
      type: "function_call",
      call_id: id,
      name: "f",
      arguments: "{}",
    });
    const output = (id: string) => ({ type: "function_call_output", call_id: id, output: "1" });
    const input = [
      user([
        { type: "input_text", text: "one " },
        { type: "input_text", text: "two" },
      ]),
      { type: "reasoning", content: [{ type: "reasoning_text", text: "hm" }] },
      { role: "assistant", content: "Let me see." },
      call("a"),
      call("b"),
      output("a"),
      output("b"),
      { type: "reasoning", content: [{ type: "reasoning_text", text: "lost" }] },
      user("go on"),
    ];
    const called = (id: string) => ({
      id,
      type: "function",
      function: { name: "f", arguments: "{}" },
    });
    expect(chatOf({ input }).messages).toEqual([
      { role: "user", content: "one two" },
      {
        role: "assistant",
        content: "Let me see.",
        tool_calls: [called("a"), called("b")],
        reasoning_content: "hm",
      },
      { role: "tool", tool_call_id: "a", content: "1" },
      { role: "tool", tool_call_id: "b", content: "1" },
      { role: "user", content: "go on" },
    ]);
  });

  it("turns tools, their choice, the format and log-probabilities", () => {
    const choice = { type: "function", name: "get_weather" };
    expect(chatOf({ input: "a", tools: [weather], tool_choice: choice })).toMatchObject({
      tools: [
        { type: "function", function: { name: "get_weather", parameters: { type: "object" } } },
      ],
      tool_choice: { type: "function", function: { name: "get_weather" } },
    });
    const format = { type: "json_schema", name: "n", schema: { type: "object" }, strict: true };
    expect(chatOf({ input: "a", text: { format } }).response_format).toEqual({
      type: "json_schema",
      json_schema: { name: "n", schema: { type: "object" }, strict: true },
    });
    const include = ["message.output_text.logprobs"];
    expect(chatOf({ input: "a", include, top_logprobs: 2 })).toMatchObject({
      logprobs: true,
      top_logprobs: 2,
    });
  });

  it("has a bound of messages and names the field that passes it", () => {
    const parsed = parseResponseRequest({ input: "a", previous_response_id: "resp_1" });
    if (!parsed.ok) throw new Error(parsed.error.message);
    const earlier = Array.from({ length: 4_096 }, () => ({ role: "user", content: "a" }) as const);
    expect(responseChat(parsed.value, earlier)).toMatchObject({
      ok: false,
      error: { code: "array_above_max_length", param: "previous_response_id" },
    });
  });
});

describe("items", () => {
  it("are listed with an id and parts", () => {
    expect(listedItem({ role: "user", content: "Hi" }, "item_0")).toEqual({
      id: "item_0",
      type: "message",
      status: "completed",
      role: "user",
      content: [{ type: "input_text", text: "Hi" }],
    });
    const output = { type: "function_call_output", call_id: "c", output: "1", id: "o" } as const;
    expect(listedItem(output, "item_1")).toEqual({ ...output, status: "completed" });
  });

  it("take at most their bytes and what a template adds", () => {
    expect(itemTokensMax([{ role: "user", content: "hé" }])).toBe(3 + 16);
    const output = { type: "function_call_output", call_id: "c", output: "1" } as const;
    expect(itemTokensMax([output, output])).toBe(2 * (1 + 16));
  });
});
