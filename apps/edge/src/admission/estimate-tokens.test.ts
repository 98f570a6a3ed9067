import { describe, expect, it } from "vitest";
import { estimateTokens, promptTokensMax } from "./estimate-tokens.ts";

const user = (content: string) => ({ role: "user" as const, content });

describe("promptTokensMax", () => {
  it("counts bytes of UTF-8, 16 for each message and 64 for the request", () => {
    expect(promptTokensMax({ messages: [user("hello")] })).toBe(64 + 16 + 5);
    // 'é' has two bytes, the globe four.
    expect(promptTokensMax({ messages: [user("é"), user("🌍")] })).toBe(64 + 32 + 6);
    expect(promptTokensMax({ messages: [{ ...user("hi"), name: "ada" }] })).toBe(64 + 16 + 5);
  });

  it("counts all text parts", () => {
    const parts = ["ab", "c"].map((text) => ({ type: "text" as const, text }));
    expect(promptTokensMax({ messages: [{ role: "user", content: parts }] })).toBe(64 + 16 + 3);
  });
});

describe("estimateTokens", () => {
  it("adds the output that was asked for, or 2,048", () => {
    const messages = [user("hello")];
    expect(estimateTokens({ messages })).toBe(85 + 2_048);
    expect(estimateTokens({ messages, max_tokens: 10 })).toBe(95);
    expect(estimateTokens({ messages, max_tokens: 10, max_completion_tokens: 20 })).toBe(105);
    expect(estimateTokens({ messages, max_tokens: null })).toBe(85 + 2_048);
    expect(estimateTokens({ messages, max_tokens: 10, n: 3 })).toBe(85 + 30);
    expect(estimateTokens({ messages, max_tokens: 10, n: 2, best_of: 4 })).toBe(85 + 40);
  });
});
