import { beforeAll, describe, expect, it } from "vitest";
import { Detokenizer } from "./detokenizer.ts";
import { tinyTokenizer } from "./testing/tiny-tokenizer.ts";
import type { Tokenizer } from "./tokenizer.ts";

let tokenizer: Tokenizer;
/** The ids of single-byte tokens. */
let byteIds: readonly number[];
beforeAll(async () => {
  tokenizer = await tinyTokenizer();
  const ids: number[] = [];
  for (let id = 3; id < 512; id++) {
    const [byte, ...more] = tokenizer.tokenBytes(id);
    if (byte !== undefined && more.length === 0) ids[byte] = id;
  }
  byteIds = ids;
});
const idsOf = (bytes: readonly number[]) => bytes.map((byte) => byteIds[byte] ?? -1);

describe("Detokenizer", () => {
  it("holds bytes back until their character is whole", () => {
    const detokenizer = new Detokenizer(tokenizer);
    // U+1F30A
    const pieces = idsOf([0x61, 0xf0, 0x9f, 0x8c, 0x8a, 0x62]).map((id) => detokenizer.push(id));
    expect(pieces).toEqual(["a", "", "", "", "\u{1f30a}", "b"]);
    expect(detokenizer.flush()).toBe("");
  });

  it("gives U+FFFD for a character that was broken off, at once or at the end", () => {
    const detokenizer = new Detokenizer(tokenizer);
    expect(detokenizer.pushAll(idsOf([0xe2, 0x82, 0x61]))).toBe("\ufffda");
    expect(detokenizer.pushAll(idsOf([0xe2, 0x82]))).toBe("");
    expect(detokenizer.flush()).toBe("\ufffd");
    expect(detokenizer.flush()).toBe("");
  });

  it("keeps a byte order mark: it is text", () => {
    const detokenizer = new Detokenizer(tokenizer);
    expect(detokenizer.pushAll(idsOf([0xef, 0xbb, 0xbf, 0x61]))).toBe("\ufeffa");
  });

  it("gives no text for control tokens, even inside a character", () => {
    const detokenizer = new Detokenizer(tokenizer);
    const [first = 0, second = 0] = idsOf([0xc3, 0xa9]);
    expect([1, first, 2, second, 0].map((id) => detokenizer.push(id)).join("")).toBe("é");
  });

  it("takes time in proportion to the tokens", () => {
    const detokenizer = new Detokenizer(tokenizer);
    const [id = 0] = idsOf([0x61]);
    let length = 0;
    for (let count = 0; count < 200_000; count++) length += detokenizer.push(id).length;
    expect(length).toBe(200_000);
  });
});
