import { CHAT_SHAPE, chatChunk, sseEvent } from "@fairlane/protocol";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SseBytes } from "./sse-bytes.ts";

const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

describe("SseBytes", () => {
  it("cuts the text chunk where the protocol would put the text, whatever text and names are", () => {
    const name = fc.oneof(fc.string(), fc.constantFrom("\u0000", '"\u0000"', '"\\u0000"'));
    fc.assert(
      fc.property(name, name, fc.nat(), fc.boolean(), (text, model, tokenIndex, includeUsage) => {
        const choice = tokenIndex % 2;
        const head = { requestId: "req_a", model, createdSeconds: 1 };
        const form = { shape: CHAT_SHAPE, includeUsage, choiceCount: 2 };
        const bytes = new SseBytes(head, form).text({ text, choice }, tokenIndex);
        const chunk = chatChunk(head, { kind: "text", choice, text }, { includeUsage });
        expect(decode(bytes)).toBe(sseEvent(chunk, { id: tokenIndex }));
      }),
    );
  });
});
