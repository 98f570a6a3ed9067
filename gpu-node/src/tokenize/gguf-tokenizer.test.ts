import { describe, expect, it } from "vitest";
import { GgufMetadata } from "../model/gguf.ts";
import { verdict } from "../model/testing/corrupt-copy.ts";
import { tokenizerOfGguf } from "./gguf-tokenizer.ts";
import { Tokenizer } from "./tokenizer.ts";

// The 256 bytes in the order of the byte-level alphabet's code points, then a few words.
const BYTES = Array.from({ length: 0x144 }, (_, code) => String.fromCharCode(code)).filter(
  (char) => /[!-~¡-¬®-ÿ]/.test(char) || char >= "\u0100",
);
const TOKENS = [...BYTES, "ab", "Ġa", "12", "123", "<s>", "</s>", "<think>"];
const at = (token: string) => TOKENS.indexOf(token);
const METADATA = {
  "tokenizer.ggml.model": "gpt2",
  "tokenizer.ggml.pre": "gpt-2",
  "tokenizer.ggml.tokens": TOKENS,
  "tokenizer.ggml.token_type": TOKENS.map((token) =>
    token === "<think>" ? 4 : token.startsWith("<") && token.length > 1 ? 3 : 1,
  ),
  "tokenizer.ggml.merges": ["a b", "Ġ a", "1 2", "12 3"],
  "tokenizer.ggml.bos_token_id": at("<s>"),
};
const sourceOf = (changes: Readonly<Record<string, unknown>> = {}) =>
  tokenizerOfGguf("f", new GgufMetadata("f", { ...METADATA, ...changes }), TOKENS.length);
const encode = (text: string, changes: Readonly<Record<string, unknown>> = {}) =>
  [...new Tokenizer(sourceOf(changes)).encode(text, { specialTokens: "parse" })].map(
    (id) => TOKENS[id],
  );
const refusal = (changes: Readonly<Record<string, unknown>>) =>
  verdict(() => Promise.resolve(sourceOf(changes)));

describe("tokenizerOfGguf", () => {
  it("has an alphabet of 256 bytes to test with", () => {
    expect(BYTES).toHaveLength(256);
  });

  it("splits as the file's pre-tokenizer says", () => {
    expect(encode("ab 123 a")).toEqual(["ab", "Ġ", "123", "Ġa"]);
    const smollm = { "tokenizer.ggml.pre": "smollm" };
    expect(encode("ab 123 a", smollm)).toEqual(["ab", "Ġ", "1", "2", "3", "Ġa"]);
    const llama3 = { "tokenizer.ggml.pre": "llama-bpe" };
    expect(encode("ab 1231 a", llama3)).toEqual(["ab", "Ġ", "123", "1", "Ġa"]);
  });

  it("knows control tokens and other added tokens by their types", () => {
    expect(encode("<s>a<think>b</s>")).toEqual(["<s>", "a", "<think>", "b", "</s>"]);
    const tokenizer = new Tokenizer(sourceOf());
    expect(tokenizer.specialIds).toEqual(new Set([at("<s>"), at("</s>")]));
  });

  it("adds a beginning token to prompts where the file or its kind says so", () => {
    const first = (changes: Readonly<Record<string, unknown>>) => {
      const tokenizer = new Tokenizer(sourceOf(changes));
      const options = { specialTokens: "parse", addsPromptTokens: true } as const;
      return TOKENS[tokenizer.encode("a", options)[0] ?? -1];
    };
    expect(first({})).toBe("a");
    expect(first({ "tokenizer.ggml.add_bos_token": true })).toBe("<s>");
    expect(first({ "tokenizer.ggml.pre": "llama-bpe" })).toBe("<s>");
    const off = { "tokenizer.ggml.pre": "llama-bpe", "tokenizer.ggml.add_bos_token": false };
    expect(first(off)).toBe("a");
  });

  it("takes a token named as an object's prototype for a token", () => {
    const tokens = TOKENS.map((token) => (token === "123" ? "__proto__" : token));
    const changes = { "tokenizer.ggml.tokens": tokens, "tokenizer.ggml.merges": [] };
    const tokenizer = new Tokenizer(sourceOf(changes));
    expect(tokenizer.idOf("__proto__")).toBe(at("123"));
  });

  it("refuses kinds that it would split wrongly", async () => {
    expect(await refusal({ "tokenizer.ggml.model": "t5" })).toBe("tokenizer.ggml.model");
    expect(await refusal({ "tokenizer.ggml.pre": "tekken" })).toBe("tokenizer.ggml.pre");
    expect(await refusal({ "tokenizer.ggml.pre": "default" })).toBe("tokenizer.ggml.pre");
    expect(await refusal({ "tokenizer.ggml.pre": undefined })).toBe("tokenizer.ggml.pre");
    expect(() => sourceOf({ "tokenizer.ggml.model": "t5" })).toThrow(
      "t5 is not supported; supported: gpt2 (byte-level BPE), llama (SentencePiece)",
    );
  });

  it("refuses lists that do not fit together, by the element", async () => {
    const tokens = "tokenizer.ggml.tokens";
    const twice = TOKENS.with(5, "ab");
    expect(await refusal({ [tokens]: twice })).toBe(`${tokens}[${at("ab")}]`);
    expect(await refusal({ [tokens]: TOKENS.with(5, "") })).toBe(`${tokens}[""]`);
    expect(await refusal({ [tokens]: [...TOKENS, "more"] })).toBe("tokenizer.ggml.token_type");
    const merges = "tokenizer.ggml.merges";
    expect(await refusal({ [merges]: ["a b", "b a"] })).toBe(`${merges}[1]`);
    expect(await refusal({ [merges]: ["a b c"] })).toBe(`${merges}[0]`);
    expect(await refusal({ [merges]: ["ab"] })).toBe(`${merges}[0]`);
    expect(await refusal({ [merges]: [1] })).toBe(merges);
    const types: readonly number[] = METADATA["tokenizer.ggml.token_type"];
    const typesKey = "tokenizer.ggml.token_type";
    expect(await refusal({ [typesKey]: types.with(3, 9) })).toBe(`${typesKey}[3]`);
  });

  it("refuses more tokens than the model has rows for", async () => {
    const metadata = new GgufMetadata("f", METADATA);
    const read = () => Promise.resolve(tokenizerOfGguf("f", metadata, TOKENS.length - 1));
    expect(await verdict(read)).toBe('tokenizer.ggml.tokens["<think>"]');
  });
});
