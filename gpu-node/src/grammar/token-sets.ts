// Owns a vocabulary as grammars use it: the tree of all its tokens, and a short cut for the inside of JSON strings,
// where nearly every token is allowed. Made once per vocabulary, which takes a fraction of a second.
import { isUtf8 } from "node:buffer";
import { maskWords } from "../engine/token-masks.ts";
import type { Automaton } from "./automaton.ts";
import { TokenTrie } from "./token-trie.ts";
import { bytesOfToken, type Vocabulary } from "./vocabulary.ts";

export class TokenSets {
  readonly vocabulary: Vocabulary;
  readonly maskWords: number;
  readonly #all: TokenTrie;
  /** By count: the tokens of so many characters at most, all of which a JSON string takes as they are. */
  readonly #plain: readonly Int32Array[];
  /** The tokens that are no such texts. */
  readonly #others: TokenTrie;

  constructor(vocabulary: Vocabulary) {
    this.vocabulary = vocabulary;
    this.maskWords = maskWords(vocabulary.size);
    const excluded = new Set(vocabulary.excludedIds);
    const [all, others]: [number[], number[]] = [[], []];
    const byChars: number[][] = [];
    for (let token = 0; token < vocabulary.size; token++) {
      const bytes = bytesOfToken(vocabulary, token);
      if (bytes.length === 0 || excluded.has(token)) continue;
      all.push(token);
      if (isPlain(bytes)) (byChars[charsOf(bytes)] ??= []).push(token);
      else others.push(token);
    }
    this.#all = new TokenTrie(vocabulary, all);
    this.#others = new TokenTrie(vocabulary, others);
    this.#plain = masksUpTo(byChars, this.maskWords);
  }

  /** The mask of the tokens that the automaton takes in `state`. */
  maskOf(automaton: Automaton, state: number): Int32Array {
    const { charsMax, isExact } = automaton.plainText(state);
    const longest = this.#plain.length - 1;
    const plain = this.#plain[Math.min(charsMax, longest)];
    // Where all plain tokens can come, no other way can add one.
    if (plain === undefined || charsMax === 0 || (charsMax < longest && !isExact)) {
      const mask = new Int32Array(this.maskWords);
      this.#all.mark(automaton, state, mask);
      return mask;
    }
    const mask = plain.slice();
    this.#others.mark(automaton, state, mask);
    return mask;
  }
}

function isPlain(bytes: Uint8Array): boolean {
  return isUtf8(bytes) && bytes.every((byte) => byte >= 0x20 && byte !== 0x22 && byte !== 0x5c);
}

/** Characters of a well-formed text: its bytes that continue none. */
function charsOf(bytes: Uint8Array): number {
  return bytes.reduce((count, byte) => count + ((byte & 0xc0) === 0x80 ? 0 : 1), 0);
}

function masksUpTo(
  byChars: readonly (readonly number[] | undefined)[],
  words: number,
): Int32Array[] {
  let mask = new Int32Array(words);
  return Array.from(byChars, (tokens = []) => {
    mask = mask.slice();
    for (const token of tokens) mask[token >> 5] = (mask[token >> 5] ?? 0) | (1 << (token & 31));
    return mask;
  });
}
