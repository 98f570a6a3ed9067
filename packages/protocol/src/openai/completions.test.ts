import { describe, expect, it } from "vitest";
import {
  completionChoices,
  completionPrompts,
  completionRequestSchema,
  parseCompletionRequest,
} from "./completions.ts";

function refusal(body: unknown): unknown {
  const result = parseCompletionRequest(body);
  return result.ok ? "taken" : [result.error.code, result.error.param];
}

describe("parseCompletionRequest", () => {
  it.each([
    ["Once", ["Once"]],
    [
      ["a", "b"],
      ["a", "b"],
    ],
    [[1, 2], [[1, 2]]],
    [
      [[1], [2, 3]],
      [[1], [2, 3]],
    ],
  ])("takes the prompt %j", (prompt, prompts) => {
    const result = parseCompletionRequest({ prompt, n: 2 });
    if (!result.ok) throw new Error(result.error.message);
    expect(completionPrompts(result.value)).toEqual(prompts);
    expect(completionChoices(result.value)).toBe(prompts.length * 2);
  });

  it("takes what chats take, and fields of OpenAI's that are off", () => {
    const body = { model: "m", prompt: "a", max_tokens: 5, temperature: 0, seed: 1, top_p: 0.5 };
    const more = {
      stop: ["x"],
      logit_bias: { "1": 2 },
      presence_penalty: 1,
      logprobs: 5,
      user: "u",
    };
    expect(parseCompletionRequest({ ...body, ...more, echo: false, suffix: null })).toEqual({
      ok: true,
      value: { ...body, ...more },
    });
    expect(completionRequestSchema.safeParse({ ...body, ...more }).success).toBe(true);
  });

  it.each([
    [{ echo: true }, "unsupported_parameter", "echo"],
    [{ suffix: "end" }, "unsupported_parameter", "suffix"],
    [{ prompt: undefined }, "missing_required_parameter", "prompt"],
    [{ prompt: null }, "invalid_type", "prompt"],
    [{ prompt: "" }, "invalid_value", "prompt"],
    [{ prompt: [] }, "empty_array", "prompt"],
    [{ prompt: [[]] }, "empty_array", "prompt[0]"],
    [{ prompt: [1, "a"] }, "invalid_type", "prompt[1]"],
    [{ prompt: [-1] }, "integer_below_min_value", "prompt[0]"],
    [{ prompt: Array(129).fill("a") }, "array_above_max_length", "prompt"],
    [{ prompt: Array(65).fill("a"), n: 2 }, "invalid_value", "prompt"],
    [{ prompt: ["a", "b"], best_of: 2 }, "unsupported_parameter", "best_of"],
    [{ n: 2, best_of: 1 }, "invalid_value", "best_of"],
    [{ best_of: 2, stream: true }, "invalid_value", "best_of"],
    [{ logprobs: 6 }, "integer_above_max_value", "logprobs"],
    [{ logprobs: true }, "invalid_type", "logprobs"],
    [{ max_tokens: 0 }, "integer_below_min_value", "max_tokens"],
    // Sixteen are the default.
    [{ min_tokens: 17 }, "invalid_value", "min_tokens"],
    [{ stream_options: { include_usage: true } }, "invalid_value", "stream_options"],
    [{ messages: [] }, "unknown_parameter", "messages"],
    [{ tools: [] }, "unknown_parameter", "tools"],
  ])("refuses %j", (more, code, param) => {
    expect(refusal({ prompt: "a", ...more })).toEqual([code, param]);
  });

  it("refuses what is no object", () => {
    expect(refusal("a")).toEqual(["invalid_type", null]);
  });
});
