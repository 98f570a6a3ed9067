import { describe, expect, it } from "vitest";
import { MessageEvents } from "./message-events.ts";
import { MESSAGE_SHAPE } from "./message-shape.ts";

const head = { requestId: "req_1", model: "m", createdSeconds: 7, promptTokens: 5 };
const counts = { promptTokens: 5, cachedTokens: 2, outputTokens: 4 };

function eventsOf(text: string): Record<string, unknown>[] {
  return text
    .split("\n\n")
    .filter((block) => block !== "")
    .map((block) => JSON.parse(/^data: (.*)$/m.exec(block)?.[1] ?? "") as Record<string, unknown>);
}

describe("MessageEvents", () => {
  it("opens and closes thinking, text and uses one after the other", () => {
    const writer = new MessageEvents(head);
    const events = eventsOf(
      writer.begin() +
        writer.delta({ text: "", reasoning: "hm" }, 0) +
        writer.delta({ text: "Let" }, 1) +
        writer.delta({ text: "", calls: [{ index: 0, id: "c1", name: "f" }] }, 2) +
        writer.delta({ text: "", calls: [{ index: 0, arguments: '{"a":1}' }] }, 3) +
        writer.end({ finishReason: "tool_calls", counts }),
    );
    expect(events).toEqual([
      {
        type: "message_start",
        message: expect.objectContaining({ id: "msg_1", content: [] }) as unknown,
      },
      {
        type: "content_block_start",
        index: 0,
        content_block: { type: "thinking", thinking: "", signature: "" },
      },
      { type: "ping" },
      { type: "content_block_delta", index: 0, delta: { type: "thinking_delta", thinking: "hm" } },
      { type: "content_block_stop", index: 0 },
      {
        type: "content_block_start",
        index: 1,
        content_block: { type: "text", text: "", citations: null },
      },
      { type: "content_block_delta", index: 1, delta: { type: "text_delta", text: "Let" } },
      { type: "content_block_stop", index: 1 },
      {
        type: "content_block_start",
        index: 2,
        content_block: { type: "tool_use", id: "c1", name: "f", input: {} },
      },
      {
        type: "content_block_delta",
        index: 2,
        delta: { type: "input_json_delta", partial_json: '{"a":1}' },
      },
      { type: "content_block_stop", index: 2 },
      {
        type: "message_delta",
        delta: {
          stop_reason: "tool_use",
          stop_sequence: null,
          stop_details: null,
          container: null,
        },
        usage: {
          input_tokens: 3,
          cache_creation_input_tokens: 0,
          cache_read_input_tokens: 2,
          output_tokens: 4,
          output_tokens_details: null,
          server_tool_use: null,
        },
      },
      { type: "message_stop" },
    ]);
    const choice = { text: "Let", reasoning: "hm", finishReason: "stop" } as const;
    const call = {
      id: "c1",
      type: "function",
      function: { name: "f", arguments: '{"a":1}' },
    } as const;
    const whole = { choices: [{ ...choice, calls: [{ ...call }] }], counts };
    expect(MESSAGE_SHAPE.whole(head, whole)).toEqual(writer.whole());
  });

  it.each([
    ["stop", undefined, "end_turn", null],
    ["stop", "END", "stop_sequence", "END"],
    ["length", undefined, "max_tokens", null],
  ] as const)("says of %s by %s that it is %s", (finishReason, stopString, reason, sequence) => {
    const writer = new MessageEvents(head);
    writer.begin();
    const [delta] = eventsOf(writer.end({ finishReason, counts, stopString }));
    expect(delta).toMatchObject({ delta: { stop_reason: reason, stop_sequence: sequence } });
    const choices = [{ text: "", finishReason }];
    expect(MESSAGE_SHAPE.whole(head, { choices, counts, stopString })).toMatchObject({
      stop_reason: reason,
      stop_sequence: sequence,
    });
  });

  it("fails with an error event, and keeps arguments that were cut as nothing", () => {
    const writer = new MessageEvents(head);
    writer.begin();
    const error = { code: "upstream_error", message: "Lost.", param: null } as const;
    expect(writer.failure(error, counts)).toBe(
      'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"Lost.","details":{"error_code":"upstream_error","param":null}},"request_id":"req_1"}\n\n',
    );
    const cut = new MessageEvents(head);
    cut.begin();
    cut.delta({ text: "", calls: [{ index: 0, id: "c1", name: "f", arguments: '{"a' }] }, 0);
    cut.end({ finishReason: "length", counts });
    expect(cut.whole()).toMatchObject({ content: [{ type: "tool_use", input: {} }] });
  });
});
