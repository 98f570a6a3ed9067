import { describe, expect, it } from "vitest";
import { chatHold, promptTokensMax } from "./request-holds.ts";

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

describe("chatHold", () => {
  it("bounds each answer by what was asked for, or 2,048, and counts those that are computed", () => {
    const messages = [user("hello")];
    const hold = {
      promptTokensMax: 85,
      outputTokensMax: 2_048,
      answerCount: 1,
      isRenewable: true,
      model: null,
    };
    expect(chatHold({ messages })).toEqual(hold);
    expect(chatHold({ messages, max_tokens: null })).toEqual(hold);
    expect(chatHold({ messages, max_tokens: 10, model: "m" })).toEqual({
      ...hold,
      outputTokensMax: 10,
      model: "m",
    });
    const both = { messages, max_tokens: 10, max_completion_tokens: 20 };
    expect(chatHold(both).outputTokensMax).toBe(20);
    expect(chatHold({ messages, max_tokens: 10, n: 3 }).answerCount).toBe(3);
    // Two of them are not given: nobody sees them grow.
    expect(chatHold({ messages, max_tokens: 10, n: 2, best_of: 4 })).toMatchObject({
      answerCount: 4,
      isRenewable: false,
    });
  });
});
