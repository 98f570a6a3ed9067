import { describe, expect, it } from "vitest";
import { stopStrings } from "./answer-fields.ts";
import { parseChatRequest, requestedOutputTokens } from "./chat.ts";
import { messageText } from "./message.ts";

const MESSAGES = [{ role: "user", content: "Say hi." }];

describe("parseChatRequest", () => {
  it("takes every field that is served", () => {
    const body = {
      model: "smollm2-135m-instruct",
      messages: [
        { role: "system", content: "Be brief." },
        { role: "developer", content: [{ type: "text", text: "No lists." }] },
        { role: "user", content: "Say hi.", name: "ada" },
        { role: "assistant", content: "Hi.", refusal: null },
        { role: "user", content: "" },
      ],
      max_tokens: 1,
      max_completion_tokens: 1_000_000,
      temperature: 2,
      top_p: 0.000_1,
      top_k: 0,
      seed: -7,
      min_p: 1,
      typical_p: 0.5,
      repetition_penalty: 0.01,
      presence_penalty: -2,
      frequency_penalty: 2,
      logit_bias: { "0": -100, "1048575": 100 },
      min_tokens: 1_000_000,
      n: 128,
      best_of: 128,
      logprobs: true,
      top_logprobs: 20,
      stop: ["###", "\n\n", "😀", "end"],
      stop_token_ids: [0, 1_048_575],
      ignore_eos: true,
      stream: true,
      stream_options: { include_usage: true },
      user: "u-1",
      metadata: { ticket: "42" },
    };
    expect(parseChatRequest(body)).toEqual({ ok: true, value: body });
  });

  it("takes null where OpenAI's clients send it for 'not set'", () => {
    const body = {
      messages: MESSAGES,
      max_tokens: null,
      max_completion_tokens: null,
      temperature: null,
      top_p: null,
      top_k: null,
      seed: null,
      min_p: null,
      typical_p: null,
      repetition_penalty: null,
      presence_penalty: null,
      frequency_penalty: null,
      logit_bias: null,
      min_tokens: null,
      n: null,
      best_of: null,
      logprobs: null,
      top_logprobs: null,
      stop: null,
      stop_token_ids: null,
      ignore_eos: null,
      stream: null,
      stream_options: null,
      metadata: null,
    };
    expect(parseChatRequest(body).ok).toBe(true);
  });

  it("leaves out fields that are off", () => {
    const off = {
      audio: null,
      function_call: "none",
      functions: [],
      modalities: null,
      prediction: null,
      prompt_cache_key: null,
      prompt_cache_retention: null,
      reasoning_effort: null,
      safety_identifier: null,
      service_tier: "auto",
      store: false,
      verbosity: null,
      web_search_options: null,
    };
    expect(parseChatRequest({ messages: MESSAGES, ...off })).toEqual({
      ok: true,
      value: { messages: MESSAGES },
    });
  });

  it.each([
    ["audio", {}],
    ["function_call", { name: "f" }],
    ["functions", [{}]],
    ["modalities", ["audio"]],
    ["prompt_cache_key", "k"],
    ["reasoning_effort", "high"],
    ["service_tier", "flex"],
    ["store", true],
  ])("says that %s is not served when it is on", (field, value) => {
    expect(parseChatRequest({ messages: MESSAGES, [field]: value })).toEqual({
      ok: false,
      error: {
        code: "unsupported_parameter",
        message: `Unsupported parameter: '${field}' is not supported with this value yet.`,
        param: field,
      },
    });
  });

  it.each([
    [{ type: "text" }, null],
    [{ type: "json_object" }, null],
    [
      {
        type: "json_schema",
        json_schema: { name: "a-B_1", schema: { type: "object" }, strict: true },
      },
      null,
    ],
    [{ type: "json_schema", json_schema: { name: "x" } }, null],
    [{ type: "yaml" }, "response_format.type"],
    [{ type: "json_schema" }, "response_format.json_schema"],
    [{ type: "json_schema", json_schema: { name: "a b" } }, "response_format.json_schema.name"],
    [
      { type: "json_schema", json_schema: { name: "x".repeat(65) } },
      "response_format.json_schema.name",
    ],
    [
      { type: "json_schema", json_schema: { name: "x", schema: [] } },
      "response_format.json_schema.schema",
    ],
    [
      { type: "json_schema", json_schema: { name: "x", schema: { title: "x".repeat(65_536) } } },
      "response_format.json_schema.schema",
    ],
  ])("checks response_format %j", (response_format, param) => {
    const parsed = parseChatRequest({ messages: MESSAGES, response_format });
    expect(parsed.ok ? null : parsed.error.param).toBe(param);
  });

  it("wants stream_options only together with stream", () => {
    const error = {
      code: "invalid_value",
      message: "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
      param: "stream_options",
    };
    const stream_options = { include_usage: true };
    for (const stream of [undefined, null, false]) {
      const body = {
        messages: MESSAGES,
        stream_options,
        ...(stream === undefined ? {} : { stream }),
      };
      expect(parseChatRequest(body)).toEqual({ ok: false, error });
    }
  });

  it("does not read fields through a prototype that the body names", () => {
    const body: unknown = JSON.parse('{"__proto__":{"messages":[{"role":"user","content":"x"}]}}');
    expect(parseChatRequest(body)).toMatchObject({
      ok: false,
      error: { code: "missing_required_parameter", param: "messages" },
    });
  });

  it("bounds the number of messages, parts and metadata entries", () => {
    const part = { type: "text", text: "x" };
    const entries = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, "v"]));
    const body = (messages: number, parts: number, metadata: number) => ({
      messages: [
        { role: "user", content: Array.from({ length: parts }, () => part) },
        ...Array.from({ length: messages - 1 }, () => MESSAGES[0]),
      ],
      metadata: entries(metadata),
    });
    expect(parseChatRequest(body(4_096, 1_024, 16)).ok).toBe(true);
    expect(parseChatRequest(body(4_097, 1, 1))).toMatchObject({
      error: { code: "array_above_max_length", param: "messages" },
    });
    expect(parseChatRequest(body(1, 1_025, 1))).toMatchObject({
      error: { code: "array_above_max_length", param: "messages[0].content" },
    });
    expect(parseChatRequest(body(1, 1, 17))).toMatchObject({
      error: { code: "invalid_value", param: "metadata" },
    });
  });

  it("answers a deeply nested body without running out of stack", () => {
    const content: unknown = JSON.parse("[".repeat(100_000) + "]".repeat(100_000));
    expect(parseChatRequest({ messages: [{ role: "user", content }] })).toMatchObject({
      ok: false,
      error: { code: "invalid_type", param: "messages[0].content[0]" },
    });
  });
});

describe("requestedOutputTokens", () => {
  it("prefers max_completion_tokens and is undefined when neither is set", () => {
    const request = { messages: [] };
    expect(requestedOutputTokens({ ...request, max_tokens: 5, max_completion_tokens: 9 })).toBe(9);
    expect(requestedOutputTokens({ ...request, max_tokens: 5, max_completion_tokens: null })).toBe(
      5,
    );
    expect(requestedOutputTokens({ ...request, max_tokens: null })).toBeUndefined();
  });
});

describe("sampling and stop fields", () => {
  it("want no more tokens at least than at most", () => {
    const body = { messages: MESSAGES, max_tokens: 4 };
    expect(parseChatRequest({ ...body, min_tokens: 4 }).ok).toBe(true);
    expect(parseChatRequest({ ...body, min_tokens: 5 })).toEqual({
      ok: false,
      error: {
        code: "invalid_value",
        message:
          "Invalid 'min_tokens': expected at most the output maximum of 4, but got 5 instead.",
        param: "min_tokens",
      },
    });
  });

  it.each([
    ["stop", "", "invalid_value", "stop"],
    ["stop", "x".repeat(257), "string_above_max_length", "stop"],
    ["stop", ["a", "b", "c", "d", "e"], "array_above_max_length", "stop"],
    ["stop", ["a", ""], "invalid_value", "stop[1]"],
    ["stop", "\ud83d", "invalid_value", "stop"],
    ["stop", 7, "invalid_type", "stop"],
    ["stop_token_ids", [-1], "integer_below_min_value", "stop_token_ids[0]"],
    ["stop_token_ids", [1_048_576], "integer_above_max_value", "stop_token_ids[0]"],
    [
      "stop_token_ids",
      Array.from({ length: 33 }, () => 1),
      "array_above_max_length",
      "stop_token_ids",
    ],
    ["ignore_eos", 1, "invalid_type", "ignore_eos"],
    ["min_p", 1.5, "decimal_above_max_value", "min_p"],
    ["typical_p", 0, "integer_below_min_value", "typical_p"],
    ["repetition_penalty", 0, "integer_below_min_value", "repetition_penalty"],
    ["presence_penalty", 2.5, "decimal_above_max_value", "presence_penalty"],
    ["frequency_penalty", -3, "integer_below_min_value", "frequency_penalty"],
    ["logit_bias", { "5": 101 }, "integer_above_max_value", "logit_bias.5"],
    ["logit_bias", { x: 1 }, "invalid_value", "logit_bias"],
    ["logit_bias", { "01": 1 }, "invalid_value", "logit_bias"],
    ["logit_bias", { "1048576": 1 }, "invalid_value", "logit_bias"],
    [
      "logit_bias",
      Object.fromEntries(Array.from({ length: 301 }, (_, id) => [id, 1])),
      "invalid_value",
      "logit_bias",
    ],
    ["logprobs", 3, "invalid_type", "logprobs"],
    ["top_logprobs", 21, "integer_above_max_value", "top_logprobs"],
    ["top_logprobs", 5, "invalid_value", "top_logprobs"],
    ["min_tokens", -1, "integer_below_min_value", "min_tokens"],
  ])("refuse %s = %j", (field, value, code, param) => {
    expect(parseChatRequest({ messages: MESSAGES, [field]: value })).toMatchObject({
      ok: false,
      error: { code, param },
    });
  });

  it("make stop a list of texts whatever its form", () => {
    expect(stopStrings({})).toEqual([]);
    expect(stopStrings({ stop: null })).toEqual([]);
    expect(stopStrings({ stop: "a" })).toEqual(["a"]);
    expect(stopStrings({ stop: ["a", "b"] })).toEqual(["a", "b"]);
  });
});

describe("messageText", () => {
  it("joins text parts without a separator", () => {
    expect(messageText("plain")).toBe("plain");
    const parts = ["a\n", "", "b"].map((text) => ({ type: "text" as const, text }));
    expect(messageText(parts)).toBe("a\nb");
  });
});
