// Owns the grammars in use in the engine's thread: automata by what their grammar was made of, for the vocabulary of the
// served model, and where each answer stands in its own. Invariants: at most AUTOMATA_MAX automata are kept, the one
// used longest ago goes first, cursors keep theirs; an answer's place is what its tokens say, so a preempted request
// that joins again goes on where it was.
import { assert } from "@fairlane/base";
import type { ErrorValue } from "@fairlane/protocol";
import type { Grammar } from "./expr.ts";
import { GrammarCursor, SharedAutomaton } from "./grammar-cursor.ts";
import { GrammarLimitError } from "./grammar-nodes.ts";
import { AUTOMATA_MAX } from "./limits.ts";
import { TokenSets } from "./token-sets.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** The grammar that a request's answer has to follow. */
export interface AnswerGrammar {
  /** What the grammar was made of: equal keys mean equal grammars. */
  readonly key: string;
  readonly grammar: Grammar;
  /** The field that errors name. */
  readonly param: string;
}

/** The tokens of an answer so far; its identity is the answer's. */
export interface AnswerTokens {
  readonly count: number;
  at(index: number): number;
}

/** An answer under a grammar. */
export interface ConstrainedAnswer {
  readonly grammar: AnswerGrammar;
  /** Allowed where the grammar may end. */
  readonly stopTokenIds: readonly number[];
  readonly outputs: AnswerTokens;
}

export class GrammarStore {
  #tokens: TokenSets | null = null;
  readonly #automata = new Map<string, SharedAutomaton>();
  readonly #cursors = new WeakMap<AnswerTokens, GrammarCursor>();

  get automatonCount(): number {
    return this.#automata.size;
  }

  /** Takes the model's vocabulary; grammars are refused before. */
  useVocabulary(vocabulary: Vocabulary): void {
    this.#tokens = new TokenSets(vocabulary);
    this.#automata.clear();
  }

  /** Why no answer can follow this grammar; null when one can. Its first mask is made ready. */
  refusalOf(answer: Omit<ConstrainedAnswer, "outputs">): ErrorValue | null {
    if (this.#tokens === null) {
      return { code: "overloaded", message: "The node has no vocabulary yet.", param: null };
    }
    try {
      this.prepareMask({ ...answer, outputs: { count: 0, at: () => 0 } });
      return null;
    } catch (error) {
      if (!(error instanceof GrammarLimitError)) throw error;
      const message = `The schema is too complex: ${error.message}.`;
      return { code: "schema_too_complex", message, param: answer.grammar.param };
    }
  }

  /** Nothing can follow what the answer has. */
  isComplete(answer: ConstrainedAnswer): boolean {
    return this.#cursorOf(answer).isComplete;
  }

  /** The mask for the answer's next token has only to be copied. */
  isMaskReady(answer: ConstrainedAnswer): boolean {
    return this.#cursorOf(answer).isMaskReady;
  }

  /** Makes it ready. */
  prepareMask(answer: ConstrainedAnswer): void {
    this.#cursorOf(answer).prepareMask();
  }

  /** Writes which tokens may come next. */
  writeMask(answer: ConstrainedAnswer, mask: Int32Array): void {
    this.#cursorOf(answer).writeMask(mask);
  }

  #cursorOf({ grammar, stopTokenIds, outputs }: ConstrainedAnswer): GrammarCursor {
    let cursor = this.#cursors.get(outputs);
    if (cursor === undefined) {
      cursor = new GrammarCursor(this.#automatonOf(grammar), stopTokenIds);
      this.#cursors.set(outputs, cursor);
    }
    while (cursor.acceptedCount < outputs.count) cursor.accept(outputs.at(cursor.acceptedCount));
    return cursor;
  }

  #automatonOf({ key, grammar }: AnswerGrammar): SharedAutomaton {
    assert(this.#tokens !== null, "grammars are refused without a vocabulary");
    const automaton = this.#automata.get(key) ?? new SharedAutomaton(grammar, this.#tokens);
    this.#automata.delete(key);
    const [oldest] = this.#automata.keys();
    if (this.#automata.size >= AUTOMATA_MAX && oldest !== undefined) this.#automata.delete(oldest);
    this.#automata.set(key, automaton);
    return automaton;
  }
}
