// Owns a vocabulary as grammars use it: the tree of all its tokens, and a short cut for the inside of JSON strings,
// where nearly every token is allowed. Made once per vocabulary, which takes a fraction of a second.
import { isUtf8 } from "node:buffer";
import { maskWords } from "../engine/token-masks.ts";
import { DEAD, type Automaton } from "./automaton.ts";
import { TokenTrie } from "./token-trie.ts";
import { bytesOfToken, type Vocabulary } from "./vocabulary.ts";

/** First bytes of UTF-8 sequences with the ranges of the bytes after them, one example of each kind. */
const SEQUENCE_KINDS: readonly (readonly (readonly [first: number, last: number])[])[] = [
  [[0x20, 0x21]],
  [[0x23, 0x5b]],
  [[0x5d, 0x7f]],
  [
    [0xc2, 0xdf],
    [0x80, 0xbf],
  ],
  [
    [0xe0, 0xe0],
    [0xa0, 0xbf],
    [0x80, 0xbf],
  ],
  [
    [0xe1, 0xec],
    [0x80, 0xbf],
    [0x80, 0xbf],
  ],
  [
    [0xed, 0xed],
    [0x80, 0x9f],
    [0x80, 0xbf],
  ],
  [
    [0xee, 0xef],
    [0x80, 0xbf],
    [0x80, 0xbf],
  ],
  [
    [0xf0, 0xf0],
    [0x90, 0xbf],
    [0x80, 0xbf],
    [0x80, 0xbf],
  ],
  [
    [0xf1, 0xf3],
    [0x80, 0xbf],
    [0x80, 0xbf],
    [0x80, 0xbf],
  ],
  [
    [0xf4, 0xf4],
    [0x80, 0x8f],
    [0x80, 0xbf],
    [0x80, 0xbf],
  ],
];

export class TokenSets {
  readonly vocabulary: Vocabulary;
  readonly maskWords: number;
  readonly #all: TokenTrie;
  /** Tokens that are whole characters which a JSON string takes as they are. */
  readonly #plain: Int32Array;
  readonly #others: TokenTrie;

  constructor(vocabulary: Vocabulary) {
    this.vocabulary = vocabulary;
    this.maskWords = maskWords(vocabulary.size);
    this.#plain = new Int32Array(this.maskWords);
    const excluded = new Set(vocabulary.excludedIds);
    const [all, others]: [number[], number[]] = [[], []];
    for (let token = 0; token < vocabulary.size; token++) {
      const bytes = bytesOfToken(vocabulary, token);
      if (bytes.length === 0 || excluded.has(token)) continue;
      all.push(token);
      if (isPlain(bytes))
        this.#plain[token >> 5] = (this.#plain[token >> 5] ?? 0) | (1 << (token & 31));
      else others.push(token);
    }
    this.#all = new TokenTrie(vocabulary, all);
    this.#others = new TokenTrie(vocabulary, others);
  }

  /** The mask of the tokens that the automaton takes in `state`. */
  maskOf(automaton: Automaton, state: number): Int32Array {
    if (!staysOnPlain(automaton, state)) {
      const mask = new Int32Array(this.maskWords);
      this.#all.mark(automaton, state, mask);
      return mask;
    }
    const mask = this.#plain.slice();
    this.#others.mark(automaton, state, mask);
    return mask;
  }
}

function isPlain(bytes: Uint8Array): boolean {
  return isUtf8(bytes) && bytes.every((byte) => byte >= 0x20 && byte !== 0x22 && byte !== 0x5c);
}

/** The automaton is in `state` again after every character that a JSON string takes as it is. */
function staysOnPlain(automaton: Automaton, state: number): boolean {
  return SEQUENCE_KINDS.every((ranges) => {
    let reached = new Set([state]);
    for (const [first, last] of ranges) {
      const next = new Set<number>();
      for (const from of reached) {
        for (let byte = first; byte <= last; byte++) next.add(automaton.next(from, byte));
      }
      if (next.size > 1 || next.has(DEAD)) return false;
      reached = next;
    }
    return reached.has(state);
  });
}
