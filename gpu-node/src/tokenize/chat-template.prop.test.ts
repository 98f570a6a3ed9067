import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { ChatTemplate } from "./chat-template.ts";
import { openTiny, tinyTokenizer } from "./testing/tiny-tokenizer.ts";
import type { Tokenizer } from "./tokenizer.ts";

let tokenizer: Tokenizer;
let template: ChatTemplate;
beforeAll(async () => {
  tokenizer = await tinyTokenizer();
  const source = (await openTiny("tiny-llama.gguf")).chatTemplate;
  if (!source) throw new Error("the fixture has a template");
  template = new ChatTemplate(source, { nowMs: () => 0 });
});

// Control tokens, their pieces, and the first characters that a mark is chosen from.
const content = fc
  .array(
    fc.oneof(
      fc.constantFrom("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|", "<", "|>", "im_end"),
      fc.constantFrom("\u{f0000}", "\u{f0001}", "\u{f0002}", "|", "\n", " "),
      fc.string({ unit: "binary", maxLength: 6 }),
    ),
    { maxLength: 10 },
  )
  .map((parts) => parts.join(""));
const message = fc.record({ role: fc.constantFrom("system", "user", "assistant"), content });

describe("ChatTemplate.encode, on any messages", () => {
  it("has exactly the control tokens of the template, and loses no text", () => {
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 4 }), (messages) => {
        const ids = [...template.encode(tokenizer, messages)];
        const special = ids.filter((id) => tokenizer.specialIds.has(id));
        // <|im_start|> and <|im_end|> around each message, and <|im_start|> for the answer.
        expect(special).toEqual([...messages.flatMap(() => [1, 2]), 1]);
        const texts = messages.map(({ role, content }) => `${role}\n${content}\n`);
        expect(tokenizer.decode(ids)).toBe(`${texts.join("")}assistant\n`);
      }),
      { numRuns: 300 },
    );
  });
});
