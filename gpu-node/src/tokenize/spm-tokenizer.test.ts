// SentencePiece vocabularies: what is refused, and what holds for any text. That tokens are the right ones is
// test/golden/tiny-mistral.test.ts's.
import fc from "fast-check";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { GgufMetadata } from "../model/gguf.ts";
import { openModel } from "../model/open-model.ts";
import { verdict } from "../model/testing/corrupt-copy.ts";
import { Detokenizer } from "./detokenizer.ts";
import { tokenizerOfGguf } from "./gguf-tokenizer.ts";
import { tokenizerOfHf } from "./hf-tokenizer.ts";
import { Tokenizer } from "./tokenizer.ts";
import type { TokenizerSource } from "./tokenizer-source.ts";

type Json = Record<string, unknown>;
const FIXTURE = resolve(import.meta.dirname, "../../../test/fixtures/tiny-mistral");
const HF = JSON.parse(await readFile(join(FIXTURE, "hf/tokenizer.json"), "utf8")) as Json;
const { tokenizerSource } = await openModel(join(FIXTURE, "tiny-mistral-f16.gguf"), {
  cacheFolder: "/dev/null/none",
});
const tokenizer = new Tokenizer(tokenizerSource);
const PLAIN = { specialTokens: "plain" } as const;

const refusal = (make: () => TokenizerSource) => verdict(() => Promise.resolve(make()));
const hf = (changes: Json) => refusal(() => tokenizerOfHf("f", { ...HF, ...changes }, 512));

/** Three control tokens, "a", a space and the bytes of "b" and "é". */
const GGUF: Json = {
  "tokenizer.ggml.model": "llama",
  "tokenizer.ggml.tokens": ["<unk>", "<s>", "</s>", "a", "▁", "▁a", "<0x62>", "<0xC3>", "<0xA9>"],
  "tokenizer.ggml.scores": [0, 0, 0, -2, -3, -1, 0, 0, 0],
  "tokenizer.ggml.token_type": [2, 3, 3, 1, 1, 1, 6, 6, 6],
  "tokenizer.ggml.bos_token_id": 1,
  "tokenizer.ggml.eos_token_id": 2,
};
const ggufSource = (changes: Json) =>
  tokenizerOfGguf("f", new GgufMetadata("f", { ...GGUF, ...changes }), 16);
const gguf = (changes: Json) => refusal(() => ggufSource(changes));
const encode = (changes: Json, text: string) => [
  ...new Tokenizer(ggufSource(changes)).encode(text, {
    specialTokens: "parse",
    addsPromptTokens: true,
  }),
];

describe("a SentencePiece vocabulary in GGUF", () => {
  it("follows the file's flags on spaces and on what is put around a prompt", () => {
    expect(encode({}, "a aé")).toEqual([1, 5, 5, 7, 8]);
    const flags = {
      "tokenizer.ggml.add_space_prefix": false,
      "tokenizer.ggml.add_bos_token": false,
    };
    expect(encode({ ...flags, "tokenizer.ggml.add_eos_token": true }, "a a")).toEqual([3, 5, 2]);
  });

  it("makes one unknown token of neighbours that neither pieces nor bytes cover", () => {
    expect(encode({}, "axy")).toEqual([1, 5, 0]);
  });

  it("refuses scores and types that do not fit, by their key", async () => {
    expect(await gguf({})).toBe("opened");
    expect(await gguf({ "tokenizer.ggml.scores": undefined })).toBe("tokenizer.ggml.scores");
    expect(await gguf({ "tokenizer.ggml.scores": [0] })).toBe("tokenizer.ggml.scores");
    expect(await gguf({ "tokenizer.ggml.token_type": [2] })).toBe("tokenizer.ggml.token_type");
    expect(await gguf({ "tokenizer.ggml.bos_token_id": 3 })).toBe("tokenizer.ggml.bos_token_id");
    const types = [2, 3, 3, 9, 1, 1, 6, 6, 6];
    expect(await gguf({ "tokenizer.ggml.token_type": types })).toBe("tokenizer.ggml.token_type[3]");
  });
});

describe("a SentencePiece vocabulary in tokenizer.json", () => {
  it("refuses steps that Llama's files do not have, by their name", async () => {
    expect(await hf({})).toBe("opened");
    expect(await hf({ normalizer: null })).toBe("normalizer");
    expect(await hf({ normalizer: { type: "NFC" } })).toBe("normalizer");
    const metaspace = {
      type: "Metaspace",
      replacement: "▁",
      prepend_scheme: "first",
      split: false,
    };
    expect(await hf({ pre_tokenizer: metaspace })).toBe("normalizer");
    expect(await hf({ normalizer: null, pre_tokenizer: metaspace })).toBe("opened");
    const splitting = { ...metaspace, split: true };
    expect(await hf({ normalizer: null, pre_tokenizer: splitting })).toBe("pre_tokenizer");
    expect(await hf({ post_processor: { type: "ByteLevel" } })).toBe("post_processor");
    const single = [{ SpecialToken: { id: "<none>" } }, { Sequence: { id: "A" } }];
    expect(await hf({ post_processor: { type: "TemplateProcessing", single } })).toBe(
      "post_processor",
    );
    const word = { id: 511, content: "zz", single_word: true };
    expect(await hf({ added_tokens: [word] })).toBe('added_tokens["zz"]');
  });
});

describe("a SentencePiece vocabulary, on any text", () => {
  const text = fc
    .array(
      fc.oneof(
        fc.string({ unit: "binary", maxLength: 12 }),
        fc.constantFrom("<s>", "</s>", " ", "  ", "\n", "é", "🌊", "the "),
      ),
      { maxLength: 10 },
    )
    .map((parts) => parts.join(""))
    // U+2581 is how the vocabulary spells a space.
    .filter((value) => !value.includes("▁"));

  it("gives plain text back, whole and token by token, and never a control token", () => {
    fc.assert(
      fc.property(text, (value) => {
        const ids = tokenizer.encode(value, PLAIN);
        expect(tokenizer.decode(ids)).toBe(value);
        const detokenizer = new Detokenizer(tokenizer);
        const pieces = [...ids].map((id) => detokenizer.push(id));
        expect(pieces.join("") + detokenizer.flush()).toBe(value);
        expect([...ids].filter((id) => tokenizer.specialIds.has(id))).toEqual([]);
      }),
    );
  });

  it("keeps the space at the start of a text that continues another", () => {
    const ids = [...tokenizer.encode("the sea", PLAIN)];
    const text = (isContinuation: boolean): string =>
      new Detokenizer(tokenizer, { isContinuation }).pushAll(ids);
    expect([text(false), text(true)]).toEqual(["the sea", " the sea"]);
  });

  it("keeps marked control tokens text, as if all of the text were plain", () => {
    fc.assert(
      fc.property(text, (value) => {
        const marked = value.replaceAll(/<\/?s>|<unk>/g, (special) => `${special}\u0001`);
        fc.pre(!value.includes("\u0001"));
        expect([...tokenizer.encodeMarked(marked, "\u0001")]).toEqual([
          ...tokenizer.encode(value, PLAIN),
        ]);
      }),
    );
  });
});
