import { describe, expect, it } from "vitest";
import { chatChunk, chatCompletion } from "./chat-response.ts";
import { modelList } from "./model.ts";
import { sseEvent } from "./sse.ts";

const HEAD = { requestId: "req_1", model: "m", createdSeconds: 1_700_000_000 };
const COUNTS = { promptTokens: 7, cachedTokens: 4, outputTokens: 2 };
const USAGE = {
  prompt_tokens: 7,
  completion_tokens: 2,
  total_tokens: 9,
  prompt_tokens_details: { cached_tokens: 4 },
};
const CHUNK = {
  id: "chatcmpl-req_1",
  object: "chat.completion.chunk",
  created: 1_700_000_000,
  model: "m",
};

describe("chatCompletion", () => {
  it("has OpenAI's shape", () => {
    expect(
      chatCompletion(HEAD, { choices: [{ text: "Hi.", finishReason: "stop" }], counts: COUNTS }),
    ).toEqual({
      id: "chatcmpl-req_1",
      object: "chat.completion",
      created: 1_700_000_000,
      model: "m",
      choices: [
        {
          index: 0,
          message: { role: "assistant", content: "Hi.", refusal: null },
          logprobs: null,
          finish_reason: "stop",
        },
      ],
      usage: USAGE,
    });
  });
});

describe("log-probabilities", () => {
  const entry = {
    token: "Hi",
    logprob: -0.5,
    bytes: [72, 105],
    top_logprobs: [{ token: "Yo", logprob: -0.25, bytes: [89, 111] }],
  };

  it("stand in the choice of a completion and of a text chunk", () => {
    const answer = { text: "Hi", finishReason: "stop", logprobs: [entry] } as const;
    const body = chatCompletion(HEAD, { choices: [answer], counts: COUNTS });
    expect(body.choices[0]?.logprobs).toEqual({
      content: [entry],
      refusal: null,
    });
    const part = { kind: "text", text: "Hi", logprobs: [entry] } as const;
    expect(chatChunk(HEAD, part, { includeUsage: false })["choices"]).toEqual([
      {
        index: 0,
        delta: { content: "Hi" },
        logprobs: { content: [entry], refusal: null },
        finish_reason: null,
      },
    ]);
  });
});

describe("chatChunk", () => {
  const choice = (delta: object, finish_reason: string | null) => [
    { index: 0, delta, logprobs: null, finish_reason },
  ];

  it.each([
    [{ kind: "role" }, choice({ role: "assistant", content: "" }, null)],
    [{ kind: "text", text: "Hi" }, choice({ content: "Hi" }, null)],
    [{ kind: "finish", finishReason: "length" }, choice({}, "length")],
  ] as const)("carries %j", (part, choices) => {
    expect(chatChunk(HEAD, part, { includeUsage: false })).toEqual({ ...CHUNK, choices });
    expect(chatChunk(HEAD, part, { includeUsage: true })).toEqual({
      ...CHUNK,
      choices,
      usage: null,
    });
  });

  it("carries usage without a choice", () => {
    const chunk = chatChunk(HEAD, { kind: "usage", counts: COUNTS }, { includeUsage: true });
    expect(chunk).toEqual({ ...CHUNK, choices: [], usage: USAGE });
  });
});

describe("modelList", () => {
  it("has OpenAI's shape and the sizes", () => {
    const card = { id: "m", createdSeconds: 3, contextTokens: 8_192, outputTokensDefault: 2_048 };
    expect(modelList([card])).toEqual({
      object: "list",
      data: [
        {
          id: "m",
          object: "model",
          created: 3,
          owned_by: "fairlane",
          context_length: 8_192,
          default_max_output_tokens: 2_048,
        },
      ],
    });
  });
});

describe("sseEvent", () => {
  it("keeps line ends inside the JSON, so that text cannot end the event", () => {
    expect(sseEvent({ text: "a\n\ndata: x" }, { id: 3, event: "error" })).toBe(
      'event: error\nid: 3\ndata: {"text":"a\\n\\ndata: x"}\n\n',
    );
    expect(sseEvent({})).toBe("data: {}\n\n");
  });
});
