// Owns where one request stands in its grammar, and the automaton with its masks that requests with equal grammars
// share. Invariant: a cursor's state is what its accepted tokens lead to; an automaton that has grown too large is
// replaced, and cursors then follow their tokens again.
import { assert } from "@fairlane/base";
import { Automaton, DEAD } from "./automaton.ts";
import type { Grammar } from "./expr.ts";
import { AUTOMATON_CELLS_MAX, AUTOMATON_MASKS_MAX, AUTOMATON_STATES_MAX } from "./limits.ts";
import type { TokenSets } from "./token-sets.ts";
import { bytesOfToken } from "./vocabulary.ts";

export class SharedAutomaton {
  readonly tokens: TokenSets;
  readonly #grammar: Grammar;
  #automaton: Automaton;
  readonly #masks = new Map<number, Int32Array>();

  /** Throws GrammarLimitError for a grammar that is too large. */
  constructor(grammar: Grammar, tokens: TokenSets) {
    this.tokens = tokens;
    this.#grammar = grammar;
    this.#automaton = new Automaton(grammar);
  }

  /** The automaton to follow now; states of an earlier one mean nothing to it. */
  current(): Automaton {
    const { cellCount, stateCount } = this.#automaton;
    if (cellCount > AUTOMATON_CELLS_MAX || stateCount > AUTOMATON_STATES_MAX) {
      this.#automaton = new Automaton(this.#grammar);
      this.#masks.clear();
    }
    return this.#automaton;
  }

  hasMask(state: number): boolean {
    return this.#masks.has(state);
  }

  /** Of a state of the current automaton. Not to be written to. */
  maskOf(state: number): Int32Array {
    const known = this.#masks.get(state);
    if (known !== undefined) return known;
    const mask = this.tokens.maskOf(this.#automaton, state);
    const [oldest] = this.#masks.keys();
    if (this.#masks.size >= AUTOMATON_MASKS_MAX && oldest !== undefined) this.#masks.delete(oldest);
    this.#masks.set(state, mask);
    return mask;
  }
}

export class GrammarCursor {
  readonly #shared: SharedAutomaton;
  readonly #stopTokenIds: readonly number[];
  readonly #accepted: number[];
  #automaton: Automaton;
  #state: number;

  /** @param stopTokenIds allowed where the grammar may end */
  constructor(
    shared: SharedAutomaton,
    stopTokenIds: readonly number[],
    accepted: readonly number[] = [],
  ) {
    this.#shared = shared;
    this.#stopTokenIds = stopTokenIds;
    this.#accepted = [...accepted];
    this.#automaton = shared.current();
    this.#state = this.#follow(this.#accepted, this.#automaton.start);
  }

  /** Tokens accepted so far. */
  get acceptedCount(): number {
    return this.#accepted.length;
  }

  /** The answer is whole and nothing can follow it. */
  get isComplete(): boolean {
    return this.#automaton.isComplete(this.#state);
  }

  /** A cursor at the same place that goes its own way. */
  fork(): GrammarCursor {
    return new GrammarCursor(this.#shared, this.#stopTokenIds, this.#accepted);
  }

  /** Takes a token that the mask allowed. */
  accept(token: number): void {
    this.#renew();
    this.#accepted.push(token);
    this.#state = this.#follow([token], this.#state);
  }

  /** To write the next mask is to copy it. */
  get isMaskReady(): boolean {
    this.#renew();
    return this.#shared.hasMask(this.#state);
  }

  /** Makes the next mask ready. */
  prepareMask(): void {
    this.#renew();
    this.#shared.maskOf(this.#state);
  }

  /** Writes which tokens may come next. */
  writeMask(mask: Int32Array): void {
    this.#renew();
    mask.set(this.#shared.maskOf(this.#state));
    if (!this.#automaton.isAccepting(this.#state)) return;
    for (const token of this.#stopTokenIds) {
      mask[token >> 5] = (mask[token >> 5] ?? 0) | (1 << (token & 31));
    }
  }

  #renew(): void {
    const automaton = this.#shared.current();
    if (automaton === this.#automaton) return;
    this.#automaton = automaton;
    this.#state = this.#follow(this.#accepted, automaton.start);
  }

  #follow(tokens: readonly number[], from: number): number {
    const { vocabulary } = this.#shared.tokens;
    let state = from;
    for (const token of tokens) {
      for (const byte of bytesOfToken(vocabulary, token)) {
        state = this.#automaton.next(state, byte);
      }
      assert(state !== DEAD, `token ${token} is outside of the grammar`);
    }
    return state;
  }
}
