// Owns a small vocabulary for tests of grammars: every byte by itself, some longer tokens, and control tokens.
import type { Vocabulary } from "../vocabulary.ts";

/** Token t is byte t for t below 256; then these, then two control tokens. */
const LONGER = [
  '{"',
  '":',
  '": ',
  '"}',
  '",',
  ', "',
  "}}",
  "true",
  "null",
  "abc",
  "é",
  "日本",
  "  ",
  "\n  ",
  "12",
  "[]",
  "hello wor",
];

const texts = [
  ...Array.from({ length: 256 }, (_, byte) => Buffer.from([byte])),
  ...LONGER.map((text) => Buffer.from(text)),
];

export const END_TOKEN = texts.length;
export const MARKER_TOKEN = texts.length + 1;

export function byteVocabulary(): Vocabulary {
  const all = [...texts, Buffer.from("<|end|>"), Buffer.from("<|marker|>")];
  const starts = new Int32Array(all.length + 1);
  for (const [index, bytes] of all.entries())
    starts[index + 1] = (starts[index] ?? 0) + bytes.length;
  return {
    size: all.length,
    bytes: new Uint8Array(Buffer.concat(all)),
    starts,
    excludedIds: [END_TOKEN, MARKER_TOKEN],
  };
}

/** The tokens of a text, the longest that fits first. */
export function tokensOf(text: string): number[] {
  const bytes = Buffer.from(text);
  const tokens: number[] = [];
  for (let at = 0; at < bytes.length;) {
    const longest = texts.reduce(
      (best, candidate, token) =>
        candidate.length > (texts[best]?.length ?? 0) &&
        bytes.subarray(at, at + candidate.length).equals(candidate)
          ? token
          : best,
      bytes[at] ?? 0,
    );
    tokens.push(longest);
    at += texts[longest]?.length ?? 1;
  }
  return tokens;
}
