// The wording of refusals, one literal per kind of mistake. Clients show these texts to people.
import { describe, expect, it } from "vitest";
import { parseChatRequest } from "./chat.ts";
import { errorOfIssues } from "./issues.ts";

const M = [{ role: "user", content: "hi" }];
const first = (message: object) => ({ messages: [message] });

type Case = readonly [body: unknown, code: string, param: string | null, message: string];

const CASES: readonly Case[] = [
  [null, "invalid_type", null, "Invalid body: expected a JSON object."],
  [[], "invalid_type", null, "Invalid body: expected a JSON object."],
  ["text", "invalid_type", null, "Invalid body: expected a JSON object."],
  [{}, "missing_required_parameter", "messages", "Missing required parameter: 'messages'."],
  [
    { messages: null },
    "invalid_type",
    "messages",
    "Invalid type for 'messages': expected an array, but got null instead.",
  ],
  [
    { messages: [] },
    "empty_array",
    "messages",
    "Invalid 'messages': empty array. Expected a length of at least 1.",
  ],
  [
    { messages: ["hi"] },
    "invalid_type",
    "messages[0]",
    "Invalid type for 'messages[0]': expected an object, but got a string instead.",
  ],
  [
    first({ content: "hi" }),
    "missing_required_parameter",
    "messages[0].role",
    "Missing required parameter: 'messages[0].role'.",
  ],
  [
    first({ role: "robot", content: "hi" }),
    "invalid_value",
    "messages[0].role",
    "Invalid value: 'robot'. Supported values are: 'system', 'developer', 'user', 'assistant', 'tool'.",
  ],
  [
    first({ role: "user" }),
    "missing_required_parameter",
    "messages[0].content",
    "Missing required parameter: 'messages[0].content'.",
  ],
  [
    first({ role: "user", content: 5 }),
    "invalid_type",
    "messages[0].content",
    "Invalid type for 'messages[0].content': got an integer instead of a supported form.",
  ],
  [
    first({ role: "user", content: [] }),
    "empty_array",
    "messages[0].content",
    "Invalid 'messages[0].content': empty array. Expected a length of at least 1.",
  ],
  [
    first({ role: "user", content: [{ type: "image_url", image_url: { url: "x" } }] }),
    "invalid_value",
    "messages[0].content[0].type",
    "Invalid value: 'image_url'. Supported values are: 'text'.",
  ],
  [
    first({ role: "user", content: [{ type: "text", text: 1.5 }] }),
    "invalid_type",
    "messages[0].content[0].text",
    "Invalid type for 'messages[0].content[0].text': expected a string, but got a decimal instead.",
  ],
  [
    first({ role: "user", content: "hi", mood: 1 }),
    "unknown_parameter",
    "messages[0].mood",
    "Unknown parameter: 'messages[0].mood'.",
  ],
  [
    { messages: M, tempreature: 1 },
    "unknown_parameter",
    "tempreature",
    "Unknown parameter: 'tempreature'.",
  ],
  [
    { messages: M, model: "" },
    "invalid_value",
    "model",
    "Invalid 'model': empty string. Expected a length of at least 1.",
  ],
  [
    { messages: M, model: "m".repeat(257) },
    "string_above_max_length",
    "model",
    "Invalid 'model': string too long. Expected a length of at most 256.",
  ],
  [
    { messages: M, max_tokens: 0 },
    "integer_below_min_value",
    "max_tokens",
    "Invalid 'max_tokens': integer below minimum value. Expected a value >= 1, but got 0 instead.",
  ],
  [
    { messages: M, max_completion_tokens: 1_000_001 },
    "integer_above_max_value",
    "max_completion_tokens",
    "Invalid 'max_completion_tokens': integer above maximum value. Expected a value <= 1000000, but got 1000001 instead.",
  ],
  [
    { messages: M, max_tokens: 1.5 },
    "invalid_type",
    "max_tokens",
    "Invalid type for 'max_tokens': expected an integer, but got a decimal instead.",
  ],
  [
    { messages: M, max_tokens: "5" },
    "invalid_type",
    "max_tokens",
    "Invalid type for 'max_tokens': expected a number, but got a string instead.",
  ],
  [
    { messages: M, temperature: 2.5 },
    "decimal_above_max_value",
    "temperature",
    "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 2.5 instead.",
  ],
  [
    { messages: M, temperature: -0.5 },
    "decimal_below_min_value",
    "temperature",
    "Invalid 'temperature': decimal below minimum value. Expected a value >= 0, but got -0.5 instead.",
  ],
  [
    { messages: M, top_p: 0 },
    "integer_below_min_value",
    "top_p",
    "Invalid 'top_p': integer below minimum value. Expected a value > 0, but got 0 instead.",
  ],
  [
    { messages: M, stream: "true" },
    "invalid_type",
    "stream",
    "Invalid type for 'stream': expected a boolean, but got a string instead.",
  ],
  [
    { messages: M, stream: true, stream_options: true },
    "invalid_type",
    "stream_options",
    "Invalid type for 'stream_options': expected an object, but got a boolean instead.",
  ],
  [
    { messages: M, metadata: [] },
    "invalid_type",
    "metadata",
    "Invalid type for 'metadata': expected an object, but got an array instead.",
  ],
  [
    { messages: M, metadata: { a: 1 } },
    "invalid_type",
    "metadata.a",
    "Invalid type for 'metadata.a': expected a string, but got an integer instead.",
  ],
];

describe("errorOfIssues", () => {
  it.each(CASES)("words the refusal of %j", (body, code, param, message) => {
    expect(parseChatRequest(body)).toEqual({ ok: false, error: { code, message, param } });
  });

  it("does not repeat long values, which may be prompt text", () => {
    const secret = "the whole prompt in the wrong field, much too long to be an enum candidate";
    const wrong = [
      first({ role: secret, content: "hi" }),
      first({ role: "user", content: [{ type: secret, text: "x" }] }),
      { messages: secret },
      { messages: M, stream: secret },
      { messages: M, max_tokens: secret },
    ];
    for (const body of wrong) {
      const parsed = parseChatRequest(body);
      expect(parsed.ok).toBe(false);
      expect(JSON.stringify(parsed)).not.toContain(secret);
    }
  });

  it("cuts field names that the client made long", () => {
    const long = "k".repeat(100_000);
    for (const body of [
      { messages: M, [long]: 1 },
      { messages: M, metadata: { [long]: "v" } },
    ]) {
      const parsed = parseChatRequest(body);
      expect(parsed.ok).toBe(false);
      expect(JSON.stringify(parsed).length).toBeLessThan(512);
    }
  });

  it("has an answer for an empty list of issues", () => {
    expect(errorOfIssues([])).toEqual({
      code: "invalid_value",
      message: "Invalid request.",
      param: null,
    });
  });
});
