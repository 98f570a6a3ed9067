import { describe, expect, it } from "vitest";
import { messageErrorBody } from "./error-body.ts";
import { parseCountTokensRequest, parseMessageRequest } from "./request.ts";
import { messageChat } from "./to-chat.ts";

const user = (content: unknown) => ({ role: "user", content });
const base = { model: "m", max_tokens: 5, messages: [user("Hi")] };
const tool = { name: "f", input_schema: { type: "object" } };

function refusalOf(change: object) {
  const parsed = parseMessageRequest({ ...base, ...change });
  return parsed.ok ? undefined : [parsed.error.code, parsed.error.param];
}

function chatOf(change: object) {
  const parsed = parseMessageRequest({ ...base, ...change });
  if (!parsed.ok) throw new Error(parsed.error.message);
  return messageChat(parsed.value);
}

describe("parseMessageRequest", () => {
  it.each([
    ["no bound", { max_tokens: undefined }, "missing_required_parameter", "max_tokens"],
    ["no model", { model: undefined }, "missing_required_parameter", "model"],
    ["an unknown field", { nonsense: 1 }, "unknown_parameter", "nonsense"],
    ["a temperature above 1", { temperature: 1.5 }, "decimal_above_max_value", "temperature"],
    [
      "a server tool",
      { tools: [{ type: "bash_20250124" }] },
      "unsupported_parameter",
      "tools[0].type",
    ],
    [
      "an image",
      { messages: [user([{ type: "image", source: {} }])] },
      "unsupported_parameter",
      "messages[0].content[0].type",
    ],
    [
      "an image as a result",
      {
        messages: [user([{ type: "tool_result", tool_use_id: "t", content: [{ type: "image" }] }])],
      },
      "unsupported_parameter",
      "messages[0].content[0].content[0].type",
    ],
    ["thinking", { thinking: { type: "enabled" } }, "unsupported_parameter", "thinking.type"],
    [
      "an answer to go on with",
      { messages: [user("Hi"), { role: "assistant", content: "He" }] },
      "unsupported_parameter",
      "messages[1].role",
    ],
    ["a call of nothing", { tool_choice: { type: "any" } }, "invalid_value", "tool_choice"],
    [
      "a call of another",
      { tools: [tool], tool_choice: { type: "tool", name: "g" } },
      "invalid_value",
      "tool_choice.name",
    ],
    [
      "five stops",
      { stop_sequences: ["a", "b", "c", "d", "e"] },
      "array_above_max_length",
      "stop_sequences",
    ],
    ["a container", { container: "c" }, "unsupported_parameter", "container"],
  ])("refuses %s", (_, change, code, param) => {
    expect(refusalOf(change)).toEqual([code, param]);
  });

  it("takes what has no effect here", () => {
    const cache = { type: "ephemeral", ttl: "1h" };
    expect(
      refusalOf({
        system: [{ type: "text", text: "a", cache_control: cache }],
        metadata: { user_id: "u" },
        service_tier: "auto",
        thinking: { type: "disabled" },
        container: null,
      }),
    ).toBeUndefined();
  });

  it("needs no bound to count", () => {
    const { max_tokens: _, ...prompt } = base;
    expect(parseCountTokensRequest(prompt).ok).toBe(true);
    expect(parseCountTokensRequest(base)).toMatchObject({ error: { param: "max_tokens" } });
  });
});

describe("messageChat", () => {
  it("turns the fields", () => {
    expect(
      chatOf({
        system: "S",
        temperature: 0,
        top_p: 0.5,
        top_k: 3,
        stop_sequences: ["x"],
        stream: true,
      }),
    ).toEqual({
      model: "m",
      messages: [
        { role: "system", content: "S" },
        { role: "user", content: "Hi" },
      ],
      max_completion_tokens: 5,
      stop: ["x"],
      temperature: 0,
      top_p: 0.5,
      top_k: 3,
      stream: true,
    });
  });

  it("makes messages of uses and results, in their order", () => {
    const messages = [
      user([
        { type: "text", text: "one " },
        { type: "text", text: "two" },
      ]),
      {
        role: "assistant",
        content: [
          { type: "thinking", thinking: "hm", signature: "" },
          { type: "text", text: "Let me see." },
          { type: "tool_use", id: "t1", name: "f", input: { a: 1 } },
        ],
      },
      user([
        { type: "tool_result", tool_use_id: "t1", content: [{ type: "text", text: "ok" }] },
        { type: "text", text: "And?" },
      ]),
    ];
    expect(chatOf({ messages }).messages).toEqual([
      { role: "user", content: "one two" },
      {
        role: "assistant",
        content: "Let me see.",
        tool_calls: [{ id: "t1", type: "function", function: { name: "f", arguments: '{"a":1}' } }],
        reasoning_content: "hm",
      },
      { role: "tool", tool_call_id: "t1", content: "ok" },
      { role: "user", content: "And?" },
    ]);
  });

  it.each([
    [{ type: "auto" }, { tool_choice: "auto" }],
    [
      { type: "any", disable_parallel_tool_use: true },
      { tool_choice: "required", parallel_tool_calls: false },
    ],
    [{ type: "tool", name: "f" }, { tool_choice: { type: "function", function: { name: "f" } } }],
    [{ type: "none" }, { tool_choice: "none" }],
  ])("turns the choice %j", (choice, expected) => {
    const chat = chatOf({ tools: [tool], tool_choice: choice });
    expect(chat).toMatchObject(expected);
    expect(chat.tools).toEqual([
      { type: "function", function: { name: "f", parameters: { type: "object" } } },
    ]);
  });

  it("turns a format", () => {
    const format = { type: "json_schema", schema: { type: "object" } };
    expect(chatOf({ output_config: { format } }).response_format).toEqual({
      type: "json_schema",
      json_schema: { name: "answer", schema: { type: "object" } },
    });
  });
});

describe("messageErrorBody", () => {
  it.each([
    ["invalid_value", "invalid_request_error"],
    ["invalid_api_key", "authentication_error"],
    ["scope_not_allowed", "permission_error"],
    ["model_not_found", "not_found_error"],
    ["request_too_large", "request_too_large"],
    ["rate_limit_tokens", "rate_limit_error"],
    ["internal_error", "api_error"],
    ["upstream_error", "api_error"],
    ["overloaded", "overloaded_error"],
  ] as const)("calls %s %s", (code, type) => {
    expect(messageErrorBody({ code, message: "M.", param: "p" }, "req_1")).toEqual({
      type: "error",
      error: { type, message: "M.", details: { error_code: code, param: "p" } },
      request_id: "req_1",
    });
  });
});
