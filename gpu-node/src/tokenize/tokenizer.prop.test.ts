import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { Detokenizer } from "./detokenizer.ts";
import { tinyTokenizer } from "./testing/tiny-tokenizer.ts";
import type { Tokenizer } from "./tokenizer.ts";

let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = await tinyTokenizer();
});

const parse = { specialTokens: "parse" } as const;
const plain = { specialTokens: "plain" } as const;
// Well-formed Unicode, with control tokens and their pieces more often than chance would have them.
const text = fc
  .array(
    fc.oneof(
      fc.string({ unit: "binary", maxLength: 12 }),
      fc.constantFrom(
        "<|im_start|>",
        "<|im_end|>",
        "<|",
        "|>",
        "im_end",
        " ",
        "\n",
        "9",
        "é",
        "🌊",
      ),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(""));
const id = fc.integer({ min: 0, max: 520 });

describe("Tokenizer, on any text", () => {
  it("gives plain text back", () => {
    fc.assert(
      fc.property(text, (value) => {
        expect(tokenizer.decode(tokenizer.encode(value, plain))).toBe(value);
      }),
    );
  });

  it("never makes a control token of plain text", () => {
    fc.assert(
      fc.property(text, (value) => {
        const special = tokenizer.encode(value, plain).filter((id) => tokenizer.specialIds.has(id));
        expect(special).toHaveLength(0);
      }),
    );
  });

  it("gives parsed text back without its control tokens", () => {
    fc.assert(
      fc.property(text, (value) => {
        const expected = value.replaceAll(/<\|(?:im_start|im_end|endoftext)\|>/g, "");
        expect(tokenizer.decode(tokenizer.encode(value, parse))).toBe(expected);
      }),
    );
  });

  it("encodes marked text without marks as parsed text", () => {
    fc.assert(
      fc.property(
        text.filter((value) => !value.includes("\u{f0000}")),
        (value) => {
          // A mark in front changes the way, not the result.
          const marked = `\u{f0000}${value}`;
          expect(tokenizer.encodeMarked(marked, "\u{f0000}")).toEqual(
            tokenizer.encode(value, parse),
          );
        },
      ),
    );
  });
});

describe("Detokenizer", () => {
  it("gives, in pieces, what decoding at once gives", () => {
    fc.assert(
      fc.property(fc.array(id, { maxLength: 64 }), (ids) => {
        const detokenizer = new Detokenizer(tokenizer);
        const pieces = ids.map((each) => detokenizer.push(each));
        expect(pieces.join("") + detokenizer.flush()).toBe(tokenizer.decode(ids));
      }),
      { numRuns: 500 },
    );
  });

  it("never gives half a code point", () => {
    // A text may hold the replacement character itself; here it must only come from broken bytes.
    const multiByte = fc
      .string({ unit: "grapheme", maxLength: 16 })
      .filter((value) => !value.includes("\ufffd"));
    fc.assert(
      fc.property(multiByte, (value) => {
        const detokenizer = new Detokenizer(tokenizer);
        for (const each of tokenizer.encode(value, plain)) {
          const piece = detokenizer.push(each);
          expect(piece.isWellFormed()).toBe(true);
          expect(piece).not.toContain("\ufffd");
        }
        expect(detokenizer.flush()).toBe("");
      }),
    );
  });
});
