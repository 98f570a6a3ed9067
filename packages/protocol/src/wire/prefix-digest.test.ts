import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { prefixDigests, prefixText } from "./prefix-digest.ts";

const scope = { salt: "ab".repeat(32), adapterDigest: null };

describe("prefixDigests", () => {
  it("has one digest for each whole chunk of 512 characters, at most 64", () => {
    expect(prefixDigests(scope, "x".repeat(511))).toEqual([]);
    expect(prefixDigests(scope, "x".repeat(1_025))).toHaveLength(2);
    expect(prefixDigests(scope, "x".repeat(100_000))).toHaveLength(64);
    // Node and hub may differ in version: the digests of a text are part of the protocol.
    expect(prefixDigests(scope, "The sea. ".repeat(128))).toEqual([
      "b250730a9443374b",
      "fcdede38868527da",
    ]);
  });

  it("agrees exactly as long as texts do, and for nobody else's salt or adapter", () => {
    const chars = fc.string({ minLength: 4_000, maxLength: 4_000 });
    fc.assert(
      fc.property(chars, fc.nat(3_999), (text, at) => {
        const other = `${text.slice(0, at)}\u{1F30A}${text.slice(at + 1)}`;
        const [one, two] = [prefixDigests(scope, text), prefixDigests(scope, other)];
        const common = Math.floor(at / 512);
        expect(two.slice(0, common)).toEqual(one.slice(0, common));
        for (const digest of two.slice(common, 7)) expect(one).not.toContain(digest);
        const strangers = [
          prefixDigests({ ...scope, salt: "cd".repeat(32) }, text),
          prefixDigests({ ...scope, adapterDigest: "ef".repeat(32) }, text),
        ];
        for (const digest of strangers.flat()) expect(one).not.toContain(digest);
      }),
      { numRuns: 50 },
    );
  });

  it("is made of tools, messages or prompt, and of nothing else", () => {
    const messages = [{ role: "user", content: "Hi" }];
    const body = { messages, temperature: 1, model: "tiny" };
    expect(prefixText(body)).toBe('[null,[{"role":"user","content":"Hi"}]]');
    expect(prefixText({ prompt: [1, 2] })).toBe("[null,[1,2]]");
  });
});
