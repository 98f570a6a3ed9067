import { describe, expect, it } from "vitest";
import { parseChatRequest } from "./chat.ts";
import { choiceCounts } from "./choices.ts";

const MESSAGES = [{ role: "user", content: "Say hi." }];

describe("choiceCounts", () => {
  it("gives n answers of the best_of that are computed", () => {
    expect(choiceCounts({ n: null })).toEqual({ given: 1, computed: 1 });
    expect(choiceCounts({ n: 2 })).toEqual({ given: 2, computed: 2 });
    expect(choiceCounts({ n: 2, best_of: 5 })).toEqual({ given: 2, computed: 5 });
    expect(choiceCounts({ best_of: 3 })).toEqual({ given: 1, computed: 3 });
  });

  it("goes with what a request may say", () => {
    const parse = (fields: object) => {
      const result = parseChatRequest({ messages: MESSAGES, ...fields });
      return result.ok ? null : [result.error.code, result.error.param];
    };
    expect(parse({ n: 0 })).toEqual(["integer_below_min_value", "n"]);
    expect(parse({ n: 129 })).toEqual(["integer_above_max_value", "n"]);
    expect(parse({ n: "2" })).toEqual(["invalid_type", "n"]);
    expect(parse({ n: 3, best_of: 2 })).toEqual(["invalid_value", "best_of"]);
    expect(parse({ n: 2, best_of: 3, stream: true })).toEqual(["invalid_value", "best_of"]);
    expect(parse({ n: 2, best_of: 2, stream: true })).toBeNull();
  });
});
