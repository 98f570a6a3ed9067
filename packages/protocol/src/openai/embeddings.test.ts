import { describe, expect, it } from "vitest";
import { embeddingInputs, embeddingList, parseEmbeddingRequest } from "./embeddings.ts";

function outcome(body: unknown): unknown {
  const result = parseEmbeddingRequest(body);
  return result.ok ? embeddingInputs(result.value) : [result.error.code, result.error.param];
}

describe("parseEmbeddingRequest", () => {
  it("takes a text, texts, tokens and lists of tokens", () => {
    expect(outcome({ input: "hi" })).toEqual(["hi"]);
    expect(outcome({ input: ["a", "b"], model: "m", encoding_format: "base64" })).toEqual([
      "a",
      "b",
    ]);
    expect(outcome({ input: [1, 2] })).toEqual([[1, 2]]);
    expect(outcome({ input: [[1], [2, 3]], pooling: "mean" })).toEqual([[1], [2, 3]]);
  });

  it("refuses the rest, naming the field", () => {
    for (const input of ["", [], [""], [[]], ["a", 1], [-1], [0.5], null, { text: "a" }]) {
      expect(outcome({ input })).toMatchObject({ 1: expect.stringMatching(/^input/) as string });
    }
    expect(outcome({ input: Array(257).fill("a") })).toMatchObject({ 1: "input" });
    expect(outcome({ input: "a", dimensions: 8 })).toEqual(["unsupported_parameter", "dimensions"]);
    expect(outcome({ input: "a", dimensions: null })).toEqual(["a"]);
    expect(outcome({ input: "a", encoding_format: "int8" })).toMatchObject({
      1: "encoding_format",
    });
    expect(outcome({ input: "a", pooling: "max" })).toMatchObject({ 1: "pooling" });
    expect(outcome({ input: "a", stream: true })).toEqual(["unknown_parameter", "stream"]);
    expect(outcome([])).toEqual(["invalid_type", null]);
  });
});

describe("embeddingList", () => {
  it("has OpenAI's shape", () => {
    expect(embeddingList("m", { embeddings: [[0.6, 0.8], "AAA="], promptTokens: 5 })).toEqual({
      object: "list",
      data: [
        { object: "embedding", index: 0, embedding: [0.6, 0.8] },
        { object: "embedding", index: 1, embedding: "AAA=" },
      ],
      model: "m",
      usage: { prompt_tokens: 5, total_tokens: 5 },
    });
  });
});
