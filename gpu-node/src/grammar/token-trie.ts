// Owns the tokens of a vocabulary as a tree of their bytes, and which of them a state of an automaton allows: one walk
// over the tree that leaves a branch where the automaton dies. Invariant: nodes stand in preorder, so that a subtree is
// a run of nodes and skipping it one jump.
import type { Automaton } from "./automaton.ts";
import { DEAD } from "./automaton.ts";
import { bytesOfToken, type Vocabulary } from "./vocabulary.ts";

interface Entry {
  readonly token: number;
  readonly bytes: Uint8Array;
}

export class TokenTrie {
  readonly #bytes: Uint8Array;
  readonly #depths: Uint16Array;
  /** The node after the subtree of each. */
  readonly #ends: Int32Array;
  /** Tokens of node i: tokens[firstToken[i]] up to tokens[firstToken[i + 1]]. */
  readonly #firstToken: Int32Array;
  readonly #tokens: Int32Array;
  /** States along the current path, by depth. */
  readonly #path: Int32Array;

  /** Of the given tokens, all with a byte at least. */
  constructor(vocabulary: Vocabulary, tokens: Iterable<number>) {
    const entries: Entry[] = [];
    for (const token of tokens) entries.push({ token, bytes: bytesOfToken(vocabulary, token) });
    entries.sort((a, b) => Buffer.compare(a.bytes, b.bytes) || a.token - b.token);
    const bytes: number[] = [];
    const depths: number[] = [];
    const firstToken: number[] = [];
    let previous = new Uint8Array(0);
    let deepest = 0;
    for (const [index, entry] of entries.entries()) {
      let depth = commonPrefix(previous, entry.bytes);
      for (; depth < entry.bytes.length; depth++) {
        bytes.push(entry.bytes[depth] ?? 0);
        depths.push(depth + 1);
        // Inner nodes have no tokens: theirs begin where the leaf's do, and the leaf is the last node pushed.
        firstToken.push(index);
      }
      deepest = Math.max(deepest, entry.bytes.length);
      previous = new Uint8Array(entry.bytes);
    }
    firstToken.push(entries.length);
    this.#bytes = Uint8Array.from(bytes);
    this.#depths = Uint16Array.from(depths);
    this.#firstToken = Int32Array.from(firstToken);
    this.#tokens = Int32Array.from(entries, ({ token }) => token);
    this.#ends = endsOf(this.#depths);
    this.#path = new Int32Array(deepest + 1);
  }

  /** Sets the bits of the tokens whose bytes the automaton takes in `state`. */
  mark(automaton: Automaton, state: number, mask: Int32Array): void {
    const path = this.#path;
    path[0] = state;
    for (let node = 0; node < this.#bytes.length;) {
      const depth = this.#depths[node] ?? 0;
      const next = automaton.next(path[depth - 1] ?? DEAD, this.#bytes[node] ?? 0);
      if (next === DEAD) {
        node = this.#ends[node] ?? this.#bytes.length;
        continue;
      }
      path[depth] = next;
      const last = this.#firstToken[node + 1] ?? 0;
      for (let at = this.#firstToken[node] ?? last; at < last; at++) {
        const token = this.#tokens[at] ?? 0;
        mask[token >> 5] = (mask[token >> 5] ?? 0) | (1 << (token & 31));
      }
      node += 1;
    }
  }
}

function commonPrefix(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return i;
  return length;
}

function endsOf(depths: Uint16Array): Int32Array {
  const ends = new Int32Array(depths.length);
  const open: number[] = [];
  for (const [node, depth] of depths.entries()) {
    while (open.length >= depth) ends[open.pop() ?? 0] = node;
    open.push(node);
  }
  for (const node of open) ends[node] = depths.length;
  return ends;
}
