import { describe, expect, it } from "vitest";
import { chatChunk, chatCompletion } from "./chat-response.ts";
import { parseChatRequest } from "./chat.ts";
import { addCallDelta, chunkCall } from "./tool-call-delta.ts";
import type { ToolCall } from "./tools.ts";

const USER = { role: "user", content: "Say hi." };
const TOOL = { type: "function", function: { name: "f", parameters: { type: "object" } } };
const CALL = { id: "call_1", type: "function", function: { name: "f", arguments: "{}" } };

/** The parameter at fault, or null. */
function wrong(fields: object): string | null {
  const parsed = parseChatRequest({ messages: [USER], ...fields });
  return parsed.ok ? null : parsed.error.param;
}

describe("tools of a chat request", () => {
  it.each([
    [{ tools: [] }, null],
    [{ tools: [TOOL], tool_choice: "auto", parallel_tool_calls: false }, null],
    [{ tools: [TOOL], tool_choice: "required" }, null],
    [{ tools: [TOOL], tool_choice: { type: "function", function: { name: "f" } } }, null],
    [{ tools: [TOOL], tool_choice: "none", response_format: { type: "json_object" } }, null],
    [{ tools: [TOOL], response_format: { type: "json_object" } }, "response_format"],
    [{ tools: [TOOL], tool_choice: { type: "function", function: { name: "g" } } }, "tool_choice"],
    [{ tool_choice: "required" }, "tool_choice"],
    [{ tools: [TOOL], tool_choice: "any" }, "tool_choice"],
    [{ tools: [TOOL, TOOL] }, "tools"],
    [{ tools: [{ type: "retrieval" }] }, "tools[0].type"],
    [{ tools: [{ type: "function", function: { name: "a b" } }] }, "tools[0].function.name"],
    [{ tools: Array.from({ length: 129 }, () => TOOL) }, "tools"],
  ])("checks %j", (fields, param) => {
    expect(wrong(fields)).toBe(param);
  });

  it.each([
    [{ role: "assistant", content: null, tool_calls: [CALL], refusal: null }, null],
    [{ role: "assistant", content: "x", reasoning_content: "hm" }, null],
    [{ role: "tool", content: "12:00", tool_call_id: "call_1" }, null],
    [{ role: "tool", content: "12:00" }, "messages[1].tool_call_id"],
    [{ role: "user", content: "x", tool_call_id: "call_1" }, "messages[1].tool_call_id"],
    [{ role: "user", content: "x", tool_calls: [CALL] }, "messages[1].tool_calls"],
    [{ role: "assistant", content: null }, "messages[1].content"],
    [{ role: "user" }, "messages[1].content"],
    [{ role: "assistant", tool_calls: [{ ...CALL, type: "x" }] }, "messages[1].tool_calls[0].type"],
  ])("checks the message %j", (message, param) => {
    expect(wrong({ messages: [USER, message] })).toBe(param);
  });
});

describe("answers with tool calls", () => {
  const head = { requestId: "r", model: "m", createdSeconds: 1 };
  const counts = { promptTokens: 1, cachedTokens: 0, outputTokens: 2 };

  it("have OpenAI's shape as a whole", () => {
    const calls = [CALL as ToolCall];
    const choice = { text: "", reasoning: "hm", calls, finishReason: "stop" } as const;
    const [answer] = chatCompletion(head, { choices: [choice], counts }).choices;
    expect(answer).toEqual({
      index: 0,
      message: {
        role: "assistant",
        content: null,
        refusal: null,
        reasoning_content: "hm",
        tool_calls: [CALL],
      },
      logprobs: null,
      finish_reason: "tool_calls",
    });
    const cut = { ...choice, finishReason: "length" } as const;
    expect(chatCompletion(head, { choices: [cut], counts }).choices[0]?.finish_reason).toBe(
      "length",
    );
  });

  it("come in pieces that make them again", () => {
    const calls: ToolCall[] = [];
    const pieces = [
      { index: 0, id: "call_1", name: "f", arguments: "{" },
      { index: 0, arguments: "}" },
      { index: 1, id: "call_2", name: "g" },
    ];
    for (const piece of pieces) addCallDelta(calls, piece);
    expect(calls).toEqual([
      CALL,
      { id: "call_2", type: "function", function: { name: "g", arguments: "" } },
    ]);
    expect(pieces.map(chunkCall)).toEqual([
      { index: 0, id: "call_1", type: "function", function: { name: "f", arguments: "{" } },
      { index: 0, function: { arguments: "}" } },
      { index: 1, id: "call_2", type: "function", function: { name: "g", arguments: "" } },
    ]);
    const chunk = chatChunk(
      head,
      { kind: "calls", choice: 1, calls: pieces.slice(1, 2) },
      { includeUsage: false },
    );
    expect(chunk["choices"]).toEqual([
      {
        index: 1,
        delta: { tool_calls: [{ index: 0, function: { arguments: "}" } }] },
        logprobs: null,
        finish_reason: null,
      },
    ]);
  });
});
