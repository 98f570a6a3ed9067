import { describe, expect, it } from "vitest";
import { parseResponseRequest } from "./request.ts";
import { responseEcho } from "./response-body.ts";
import { ResponseEvents } from "./response-events.ts";
import { responseShape } from "./response-shape.ts";
import { conversationOf } from "./stored-response.ts";

const head = { requestId: "req_1", model: "m", createdSeconds: 7 };
const counts = { promptTokens: 5, cachedTokens: 2, outputTokens: 4 };

function echo() {
  const parsed = parseResponseRequest({ input: "Hi", metadata: { a: "b" } });
  if (!parsed.ok) throw new Error(parsed.error.message);
  return responseEcho(parsed.value);
}

interface Event {
  readonly type: string;
  readonly sequence_number: number;
  readonly [field: string]: unknown;
}

/** The data of each event, which has its type as its name. */
function eventsOf(text: string): Event[] {
  return text
    .split("\n\n")
    .filter((block) => block !== "")
    .map((block) => {
      const data = JSON.parse(/^data: (.*)$/m.exec(block)?.[1] ?? "") as Event;
      expect(block.startsWith(`event: ${data.type}\n`)).toBe(true);
      return data;
    });
}

const typesOf = (events: readonly Event[]) =>
  events.map(({ type }) => type.replace("response.", ""));

describe("ResponseEvents", () => {
  it("opens and closes reasoning, text and calls one after the other", () => {
    const writer = new ResponseEvents(head, echo());
    const events = eventsOf(
      writer.begin() +
        writer.delta({ text: "", reasoning: "hm" }, 1) +
        writer.delta({ text: "Let" }, 2) +
        writer.delta({ text: " me" }, 3) +
        writer.delta({ text: "", calls: [{ index: 0, id: "c1", name: "f", arguments: "{" }] }, 4) +
        writer.delta({ text: "", calls: [{ index: 0, arguments: "}" }] }, 5) +
        writer.delta({ text: "", calls: [{ index: 1, id: "c2", name: "g" }] }, 6) +
        writer.end({ finishReason: "stop", counts }),
    );
    expect(typesOf(events)).toEqual([
      ...["created", "in_progress"],
      ...["output_item.added", "content_part.added", "reasoning_text.delta"],
      ...["reasoning_text.done", "content_part.done", "output_item.done"],
      ...["output_item.added", "content_part.added", "output_text.delta", "output_text.delta"],
      ...["output_text.done", "content_part.done", "output_item.done"],
      ...["output_item.added", "function_call_arguments.delta", "function_call_arguments.delta"],
      ...["function_call_arguments.done", "output_item.done"],
      ...["output_item.added", "function_call_arguments.done", "output_item.done"],
      "completed",
    ]);
    expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, index) => index));
    expect(events.at(-1)?.["response"]).toMatchObject({
      id: "resp_1",
      status: "completed",
      metadata: { a: "b" },
      output: [
        { id: "rs_1_0", type: "reasoning", content: [{ type: "reasoning_text", text: "hm" }] },
        { id: "msg_1_1", type: "message", content: [{ type: "output_text", text: "Let me" }] },
        { id: "fc_1_2", type: "function_call", call_id: "c1", name: "f", arguments: "{}" },
        { id: "fc_1_3", type: "function_call", call_id: "c2", name: "g", arguments: "" },
      ],
      usage: {
        input_tokens: 5,
        input_tokens_details: { cached_tokens: 2 },
        output_tokens: 4,
        // Tokens 0 and 1.
        output_tokens_details: { reasoning_tokens: 2 },
        total_tokens: 9,
      },
    });
  });

  it("names the token that an event goes up to", () => {
    const writer = new ResponseEvents(head, echo());
    expect(writer.begin()).not.toContain("\nid: ");
    expect(writer.delta({ text: "a" }, 3)).toContain(
      'event: response.output_text.delta\nid: 3\ndata: {"type":"response.output_text.delta"',
    );
  });

  it("says what was cut", () => {
    const writer = new ResponseEvents(head, echo());
    writer.begin();
    writer.delta({ text: "a" }, 0);
    const events = eventsOf(writer.end({ finishReason: "length", counts }));
    expect(events.at(-1)).toMatchObject({
      type: "response.incomplete",
      response: {
        status: "incomplete",
        incomplete_details: { reason: "max_output_tokens" },
        output: [{ status: "incomplete", content: [{ text: "a" }] }],
      },
    });
  });

  it("ends as failed with what was said, and closes what was open", () => {
    const writer = new ResponseEvents(head, echo());
    writer.begin();
    writer.delta({ text: "a" }, 0);
    const error = { code: "upstream_error", message: "The node was lost.", param: null } as const;
    const events = eventsOf(writer.failure(error, counts));
    expect(typesOf(events)).toEqual([
      ...["output_text.done", "content_part.done", "output_item.done"],
      "failed",
    ]);
    expect(events.at(-1)?.["response"]).toMatchObject({
      status: "failed",
      error: { code: "upstream_error", message: "The node was lost." },
      output: [{ content: [{ text: "a" }] }],
    });
  });

  it("is an empty message when nothing was said, and cancelled when nobody listens", () => {
    const writer = new ResponseEvents(head, echo());
    writer.begin();
    const events = eventsOf(writer.end({ finishReason: "stop", counts }));
    expect(typesOf(events)).toEqual([
      ...["output_item.added", "content_part.added"],
      ...["output_text.done", "content_part.done", "output_item.done"],
      "completed",
    ]);
    const left = new ResponseEvents(head, echo());
    left.begin();
    left.delta({ text: "a" }, 0);
    left.abandon();
    expect(left.whole()).toMatchObject({ status: "cancelled", output: [{ status: "incomplete" }] });
  });
});

describe("responseShape", () => {
  it("makes of a whole answer what its stream ends with", () => {
    const call = { id: "c1", type: "function", function: { name: "f", arguments: "{}" } } as const;
    const answer = { text: "a", reasoning: "hm", reasoningTokens: 2, calls: [{ ...call }] };
    const whole = responseShape(echo()).whole(head, {
      choices: [{ ...answer, finishReason: "stop" }],
      counts,
    });
    const writer = new ResponseEvents(head, echo());
    writer.begin();
    writer.delta({ text: "", reasoning: "hm" }, 1);
    writer.delta({ text: "a" }, 2);
    writer.delta({ text: "", calls: [{ index: 0, id: "c1", name: "f", arguments: "{}" }] }, 3);
    writer.end({ finishReason: "stop", counts });
    expect(whole).toEqual(writer.whole());
  });
});

describe("conversationOf", () => {
  it("is everything in order, answers as input", () => {
    const response = responseShape(echo()).whole(head, {
      choices: [{ text: "Hello", finishReason: "stop" }],
      counts,
    });
    if (!("object" in response) || response.object !== "response") throw new Error("no response");
    const stored = {
      projectId: "prj_1",
      earlier: [{ role: "user", content: "one" }] as const,
      input: [{ role: "user", content: "two" }] as const,
    };
    expect(conversationOf(stored, { projectId: "prj_1", response })).toMatchObject([
      { role: "user", content: "one" },
      { role: "user", content: "two" },
      { type: "message", role: "assistant", content: [{ type: "output_text", text: "Hello" }] },
    ]);
  });
});
