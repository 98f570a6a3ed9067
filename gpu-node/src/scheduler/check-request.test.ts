import { describe, expect, it } from "vitest";
import { checkRequest, needsOf } from "./check-request.ts";
import { engineRequest, type RequestFields } from "./testing/engine-request.ts";

const GROUP = { layers: 1, windowTokens: null, pageBytes: 64 };
const BOUNDS = {
  contextTokens: 128,
  pageTokens: 16,
  pageCount: 4,
  slotCount: 4,
  kvGroups: [GROUP],
  vocabSize: 100,
};
const LARGE = { ...BOUNDS, pageCount: 8 };

function check(fields: RequestFields, bounds = BOUNDS) {
  const error = checkRequest(engineRequest("req_1", fields), bounds);
  return error === null ? null : `${error.code} ${error.param}: ${error.message}`;
}

describe("checkRequest", () => {
  it("accepts what fits an empty pool to the last token", () => {
    expect(check({ promptLength: 60, maxOutputTokens: 4 })).toBeNull();
    expect(check({ promptLength: 99, maxOutputTokens: 1_000 }, LARGE)).toBeNull();
  });

  it("names the context when the prompt leaves no token for the answer", () => {
    expect(check({ promptTokens: Array.from({ length: 128 }, () => 1) }, LARGE)).toBe(
      "context_length_exceeded messages: This model's maximum context length is 128 tokens. However, your " +
        "messages resulted in 128 tokens, which leaves none for the answer. Please reduce the length of the messages.",
    );
  });

  it("names the pool when prompt and output never fit it", () => {
    expect(check({ promptLength: 60, maxOutputTokens: 5 })).toBe(
      "context_length_exceeded max_completion_tokens: This node's KV pool holds 4 pages, that is 64 tokens, for one " +
        "request at most. However, you requested 65 tokens (60 in the messages, 5 in the completion). Please reduce " +
        "the length of the messages or of the completion.",
    );
    expect(check({ promptLength: 64, maxOutputTokens: 1 })).toMatch(
      /^context_length_exceeded messages: .* 4 pages/,
    );
  });

  it("refuses what would make the engine refuse everybody's step", () => {
    expect(check({ promptTokens: [] })).toMatch(/^invalid_messages messages/);
    expect(check({ promptTokens: [1, 100] })).toMatch(/^internal_error null: .*token 1 has id 100/);
    expect(check({ promptTokens: [-1] })).toMatch(/^internal_error null/);
    expect(check({ maxOutputTokens: 0 })).toMatch(/^invalid_value max_completion_tokens/);
    expect(check({ maxOutputTokens: 1.5 })).toMatch(/^invalid_value max_completion_tokens/);
    expect(check({ stopTokenIds: Array.from({ length: 65 }, () => 1) })).toMatch(
      / stop: At most 64/,
    );
  });

  it("E15: refuses a weight that fairness cannot count with", () => {
    for (const weight of [0, -1, 0.5, Number.NaN, 1_000_001]) {
      expect(check({ weight })).toBe(
        `invalid_value weight: The tenant's weight must be an integer from 1 to 1000000, got ${weight}.`,
      );
    }
    expect(check({ weight: 1_000_000 })).toBeNull();
  });

  it("judges sampling parameters as the engine sees them, in f32", () => {
    const sampling = { temperature: 1, topP: 1, topK: 0, seedLow: 0, seedHigh: 0 };
    expect(check({ sampling: { ...sampling, temperature: NaN } })).toMatch(/ temperature: /);
    expect(check({ sampling: { ...sampling, temperature: 1e300 } })).toMatch(/ temperature: /);
    expect(check({ sampling: { ...sampling, temperature: -1 } })).toMatch(/ temperature: /);
    expect(check({ sampling: { ...sampling, topP: 1e-60 } })).toMatch(/ top_p: /);
    expect(check({ sampling: { ...sampling, topP: 1.5 } })).toMatch(/ top_p: /);
    expect(check({ sampling: { ...sampling, topK: -1 } })).toMatch(/ top_k: /);
    expect(check({ sampling: { ...sampling, topK: 2 ** 31 } })).toMatch(/ top_k: /);
  });
});

describe("needsOf", () => {
  it("cuts the output to the context and counts pages of prompt plus output", () => {
    const request = engineRequest("req_1", { promptLength: 20, maxOutputTokens: 1_000 });
    expect(needsOf(request, LARGE)).toEqual({ outputTokensMax: 108, pages: 8 });
    const short = engineRequest("req_2", { promptLength: 20, maxOutputTokens: 12 });
    expect(needsOf(short, LARGE)).toEqual({ outputTokensMax: 12, pages: 2 });
  });
});
