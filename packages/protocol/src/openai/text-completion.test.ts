import { describe, expect, it } from "vitest";
import type { TokenLogprob } from "./logprobs.ts";
import { textCompletionShape } from "./text-completion.ts";

const head = { requestId: "req_1", model: "m", createdSeconds: 7 };
const counts = { promptTokens: 5, cachedTokens: 2, outputTokens: 3 };
const usage = {
  prompt_tokens: 5,
  completion_tokens: 3,
  total_tokens: 8,
  prompt_tokens_details: { cached_tokens: 2 },
};
const shared = { id: "cmpl-req_1", object: "text_completion", created: 7, model: "m" };

function scored(bytes: readonly number[], logprob: number): TokenLogprob {
  const token = new TextDecoder().decode(new Uint8Array(bytes));
  const one = { token, bytes: [...bytes] };
  // Two tokens of one text, as broken characters are.
  const top = [
    { ...one, logprob },
    { ...one, logprob: logprob - 1 },
  ];
  return { ...one, logprob, top_logprobs: top };
}

describe("a text completion", () => {
  it("has OpenAI's shape, with lists for log-probabilities", () => {
    const logprobs = [scored([32, 0xc3], -1), scored([0xa9, 120], -2), scored([121], -3)];
    const choices = [
      { text: " éxy", finishReason: "stop", logprobs } as const,
      { text: "b", finishReason: "length" } as const,
    ];
    expect(textCompletionShape().whole(head, { choices, counts })).toEqual({
      ...shared,
      choices: [
        {
          text: " éxy",
          index: 0,
          logprobs: {
            tokens: [" \uFFFD", "\uFFFDx", "y"],
            token_logprobs: [-1, -2, -3],
            top_logprobs: [{ " \uFFFD": -1 }, { "\uFFFDx": -2 }, { y: -3 }],
            // " é" begin in the first token, "x" in the second.
            text_offset: [0, 2, 3],
          },
          finish_reason: "stop",
        },
        { text: "b", index: 1, logprobs: null, finish_reason: "length" },
      ],
      usage,
    });
  });

  it("streams text, ends and usage, with offsets that go on choice by choice", () => {
    const shape = textCompletionShape();
    const off = { includeUsage: false };
    const text = (choice: number, of: string) => {
      const logprobs = [scored([...new TextEncoder().encode(of)], -1)];
      return shape.chunk(head, { kind: "text", choice, text: of, logprobs }, off);
    };
    const offset = (at: number) => ({ choices: [{ logprobs: { text_offset: [at] } }] });
    expect(text(0, "ab")).toMatchObject({ ...shared, ...offset(0) });
    expect(text(1, "c")).toMatchObject(offset(0));
    expect(text(0, "d")).toMatchObject(offset(2));
    expect(shape.chunk(head, { kind: "role" }, off)).toBeNull();
    expect(
      shape.chunk(
        head,
        { kind: "finish", choice: 1, finishReason: "length" },
        { includeUsage: true },
      ),
    ).toEqual({
      ...shared,
      choices: [{ text: "", index: 1, logprobs: null, finish_reason: "length" }],
      usage: null,
    });
    expect(shape.chunk(head, { kind: "text", text: "e" }, off)).toEqual({
      ...shared,
      choices: [{ text: "e", index: 0, logprobs: null, finish_reason: null }],
    });
    const end = shape.chunk(head, { kind: "usage", counts }, { includeUsage: true });
    expect(end).toEqual({ ...shared, choices: [], usage });
  });
});
