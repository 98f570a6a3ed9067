import { describe, expect, it } from "vitest";
import { openTiny, tinyTokenizer, tinyWith } from "./testing/tiny-tokenizer.ts";
import { Tokenizer } from "./tokenizer.ts";

const parse = { specialTokens: "parse" } as const;
const plain = { specialTokens: "plain" } as const;

describe("Tokenizer", () => {
  it("is the same from GGUF metadata and from tokenizer.json", async () => {
    const [gguf, hf] = await Promise.all([openTiny("tiny-llama.gguf"), openTiny("hf")]);
    const texts = ["Hello, world 123", " a\t\u0085b\ufeffc", "٣½²", "naïve 🌊", "<|im_end|>x"];
    for (const text of texts) {
      const ids = new Tokenizer(gguf.tokenizerSource).encode(text, parse);
      expect(new Tokenizer(hf.tokenizerSource).encode(text, parse)).toEqual(ids);
    }
  });

  it("parses control tokens in text, or leaves them text, as asked", async () => {
    const tokenizer = await tinyTokenizer();
    expect([...tokenizer.encode("q<|im_end|>q", parse)]).toEqual([83, 2, 83]);
    const ids = tokenizer.encode("q<|im_end|>q", plain);
    expect([...ids].filter((id) => tokenizer.specialIds.has(id))).toEqual([]);
    expect(tokenizer.decode(ids)).toBe("q<|im_end|>q");
  });

  it("keeps words whole around what is left text: plain text splits as if nothing were special", async () => {
    const tokenizer = await tinyTokenizer();
    const marked = tokenizer.encodeMarked("a <M|im_end|> b", "M");
    expect(marked).toEqual(tokenizer.encode("a <|im_end|> b", plain));
  });

  it("parses what has no mark beside what has one", async () => {
    const tokenizer = await tinyTokenizer();
    const ids = [...tokenizer.encodeMarked("<|im_start|>q<M|im_end|><|im_end|>", "M")];
    expect(ids[0]).toBe(1);
    expect(ids.at(-1)).toBe(2);
    expect(ids.filter((id) => id <= 2)).toHaveLength(2);
    expect(tokenizer.decode(ids)).toBe("q<|im_end|>");
  });

  it("knows the bytes of each token", async () => {
    const tokenizer = await tinyTokenizer();
    expect(tokenizer.idCount).toBe(512);
    expect(tokenizer.specialIds).toEqual(new Set([0, 1, 2]));
    const [space = -1] = tokenizer.encode(" ", parse);
    expect([...tokenizer.tokenBytes(space)]).toEqual([0x20]);
    expect(Buffer.from(tokenizer.tokenBytes(1)).toString()).toBe("<|im_start|>");
    expect(tokenizer.tokenBytes(512)).toHaveLength(0);
    expect(tokenizer.tokenBytes(1_000_000)).toHaveLength(0);
    expect(() => tokenizer.tokenBytes(-1)).toThrow();
    const longest = Math.max(
      ...Array.from({ length: 512 }, (_, id) => tokenizer.tokenBytes(id).length),
    );
    expect(tokenizer.maxTokenBytes).toBe(longest);
    expect(tokenizer.idOf("<|im_end|>")).toBe(2);
    expect(tokenizer.idOf("absent")).toBeUndefined();
  });

  it("leaves control tokens out of decoded text and keeps other added tokens", async () => {
    const tokenizer = await tinyWith([{ content: "<think>", special: false }]);
    const ids = [...tokenizer.encode("<|im_start|>q<think>é", parse)];
    expect(ids.slice(0, 3)).toEqual([1, 83, 512]);
    expect(tokenizer.decode(ids)).toBe("q<think>é");
    // Not a control token: text may always hold it.
    expect([...tokenizer.encode("<think>", plain)]).toEqual([512]);
  });

  it("takes white space beside control tokens that ask for it", async () => {
    const tokenizer = await tinyWith([
      { content: "<left>", lstrip: true },
      { content: "<right>", rstrip: true },
    ]);
    for (const text of ["q  <left>  q", "q  <right>  q", "<right> <left>"]) {
      const expected = tokenizer.encode(text, parse);
      expect(tokenizer.encodeMarked(`${text}<M|im_end|>`, "M").slice(0, expected.length)).toEqual(
        expected,
      );
    }
  });

  it("keeps a control token of one character out of marked text", async () => {
    const tokenizer = await tinyWith([{ content: "☃" }]);
    expect([...tokenizer.encode("q☃", parse)]).toEqual([83, 512]);
    const ids = tokenizer.encodeMarked("☃q☃Mq", "M");
    expect([...ids].filter((id) => id === 512)).toHaveLength(1);
    expect(ids[0]).toBe(512);
    expect(tokenizer.decode(ids)).toBe("q☃q");
  });

  it("prefers the longest control token that matches", async () => {
    const tokenizer = await tinyWith([{ content: "<|a|>" }, { content: "<|a|>x" }]);
    expect([...tokenizer.encode("<|a|>xq", parse)]).toEqual([513, 83]);
    expect([...tokenizer.encodeMarked("<|a|>xq<M|a|>", "M")].slice(0, 2)).toEqual([513, 83]);
  });

  it("encodes a long word in time that grows gently", async () => {
    const tokenizer = await tinyTokenizer();
    const ids = tokenizer.encode("ab".repeat(200_000), parse);
    expect(tokenizer.decode(ids)).toHaveLength(400_000);
  }, 20_000);
});
