import { describe, expect, it } from "vitest";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { TINY_HF } from "../model/testing/hf-copy.ts";
import { verdict } from "../model/testing/corrupt-copy.ts";
import { tokenizerOfHf } from "./hf-tokenizer.ts";
import { Tokenizer } from "./tokenizer.ts";

type Json = Record<string, unknown>;
const TINY = JSON.parse(await readFile(join(TINY_HF, "tokenizer.json"), "utf8")) as Json;
const MODEL = TINY["model"] as Json;
const VOCAB = MODEL["vocab"] as Record<string, number>;

const sourceOf = (changes: Json, model: Json = {}) =>
  tokenizerOfHf("f", { ...TINY, model: { ...MODEL, ...model }, ...changes }, 512);
/** The subject that is refused, whether the definition is checked or the library builds from it. */
const refusal = (changes: Json, model: Json = {}) =>
  verdict(() => Promise.resolve(new Tokenizer(sourceOf(changes, model))));

describe("tokenizerOfHf", () => {
  it("takes the tiny model's tokenizer", async () => {
    expect(await refusal({})).toBe("opened");
  });

  it("refuses what is not byte-level BPE", async () => {
    expect(await refusal({}, { type: "Unigram" })).toBe("model.type");
    expect(await refusal({}, { type: undefined })).toBe("model.type");
    expect(await refusal({}, { byte_fallback: "yes" })).toBe("model.byte_fallback");
    expect(await refusal({ model: null })).toBe("model");
    expect(await refusal({ pre_tokenizer: null })).toBe("pre_tokenizer");
    expect(await refusal({ pre_tokenizer: { type: "Metaspace" } })).toBe("pre_tokenizer");
    expect(await refusal({ pre_tokenizer: "ByteLevel" })).toBe("pre_tokenizer");
    const split = (behavior: string) => ({
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: "x" }, behavior, invert: false },
        { type: "ByteLevel" },
      ],
    });
    expect(await refusal({ pre_tokenizer: split("Isolated") })).toBe("opened");
    expect(await refusal({ pre_tokenizer: split("MergedWithNext") })).toBe("pre_tokenizer");
    expect(await refusal({ pre_tokenizer: { type: "Sequence", pretokenizers: 1 } })).toBe(
      "pre_tokenizer.pretokenizers",
    );
  });

  it("refuses a part that the library does not know", async () => {
    expect(await refusal({ normalizer: { type: "Nonsense" } })).toBe("tokenizer");
    expect(await refusal({ post_processor: { type: "Nonsense" } })).toBe("tokenizer");
    expect(await refusal({ decoder: { type: "Nonsense" } })).toBe("tokenizer");
    const broken = {
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: "(" }, behavior: "Isolated" },
        { type: "ByteLevel" },
      ],
    };
    expect(await refusal({ pre_tokenizer: broken })).toBe("tokenizer");
  });

  it("refuses ids that cannot be, by the token", async () => {
    const vocab = (changes: Record<string, unknown>) =>
      refusal({}, { vocab: { ...VOCAB, ...changes }, merges: [] });
    expect(await vocab({ "!": 512 })).toBe('model.vocab["!"]');
    expect(await vocab({ "!": -1 })).toBe('model.vocab["!"]');
    expect(await vocab({ "!": 1.5 })).toBe('model.vocab["!"]');
    expect(await vocab({ '"': VOCAB["!"] })).toBe('model.vocab["\\""]');
    expect(await vocab({ "!": "3" })).toBe("model.vocab");
    expect(await vocab({ new: 1e12 })).toBe('model.vocab["new"]');
    expect(await refusal({}, { vocab: {} })).toBe("model.vocab");
    expect(await refusal({}, { merges: [["!", "no"]] })).toBe("model.merges[0]");
    expect(await refusal({}, { merges: ["! no"] })).toBe("model.merges[0]");
    expect(await refusal({}, { merges: [["!"]] })).toBe("model.merges");
  });

  it("refuses added tokens that contradict the vocabulary", async () => {
    const added = (token: Json) => refusal({ added_tokens: [token] });
    expect(await added({ id: 0, content: "<|endoftext|>", special: true })).toBe("opened");
    expect(await added({ id: 3, content: "<x>" })).toBe('added_tokens["<x>"]');
    expect(await added({ id: 9, content: "!" })).toBe('added_tokens["!"]');
    expect(await added({ id: 512, content: "<x>" })).toBe('added_tokens["<x>"]');
    expect(await added({ id: 0, content: "" })).toBe("added_tokens.0.content");
    expect(await added({ id: "0", content: "a" })).toBe("added_tokens.0.id");
    expect(await refusal({ added_tokens: {} })).toBe("added_tokens");
  });

  it("splits digits and white space as the original does, not as JavaScript would", () => {
    const words =
      "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
    const split = (Regex: string) => ({
      type: "Split",
      pattern: { Regex },
      behavior: "Isolated",
      invert: false,
    });
    expect(sourceOf({}).definition.pre_tokenizer).toEqual({
      type: "Sequence",
      pretokenizers: [
        split("\\p{N}"),
        split(words),
        { type: "ByteLevel", add_prefix_space: false, use_regex: false },
      ],
    });
    // Arabic-Indic three is a digit: a space before it stands alone.
    const tokenizer = new Tokenizer(sourceOf({}));
    const [first = -1] = tokenizer.encode(" \u0663", { specialTokens: "parse" });
    expect([...tokenizer.tokenBytes(first)]).toEqual([0x20]);
  });
});
