// Owns following a grammar byte by byte: a pushdown automaton made deterministic as far as it is walked. A state is
// the set of cells that the bytes so far lead to, a cell a terminal with the chain of what follows it. Invariant: equal
// cells have one id and equal sets one state, so what was walked once is a table look-up afterwards.
import { assert, AssertionError } from "@fairlane/base";
import type { Grammar } from "./expr.ts";
import { GrammarLimitError, GrammarNodes, type Node } from "./grammar-nodes.ts";
import { STATE_CELLS_MAX } from "./limits.ts";

/** The state from which nothing is accepted. */
export const DEAD = -1;
/** What follows a cell when nothing has to. */
const END = 0;
/** The quote that ends a JSON string. */
const QUOTE = 0x22;
/** Keeps a pair of ids one exact number. */
const KEY_BASE = 2 ** 26;

/** What of a state says which plain texts, those that JSON strings take as they are, it can go on with. */
export interface PlainText {
  /** Every plain text of so many characters at most can come. */
  readonly charsMax: number;
  /** No other plain text can. */
  readonly isExact: boolean;
}

interface Expansion {
  /** Terminals (and END), ascending. */
  readonly cells: readonly number[];
  readonly plain: PlainText;
}

export class Automaton {
  readonly start: number;
  readonly #nodes = new GrammarNodes();
  readonly #rules = new Map<string, number>();
  // Cell 0 is END; the node of a cell and the cell after it.
  readonly #cellNode: number[] = [-1];
  readonly #cellNext: number[] = [-1];
  readonly #cellIds = new Map<number, number>();
  /** Cells of each state, ascending: terminals, and END when the bytes so far are a whole sentence. */
  readonly #states: (readonly number[])[] = [];
  readonly #plainTexts: PlainText[] = [];
  /** The next state of each by byte, once it was asked for. */
  readonly #tables: (Int32Array | undefined)[] = [];
  #tableCount = 0;
  readonly #stateIds = new Map<string, number>();

  /** Throws GrammarLimitError for a grammar that is too large. */
  constructor({ root, rules }: Grammar) {
    for (const [name, expr] of Object.entries(rules))
      this.#rules.set(name, this.#nodes.compile(expr));
    const first = this.#cell(this.#nodes.compile(root), END);
    this.start = this.#stateOf(this.#expand([first]));
  }

  /** States that were left by some byte. */
  get stateCount(): number {
    return this.#tableCount;
  }

  get cellCount(): number {
    return this.#cellNode.length;
  }

  /** The state after `byte`, or DEAD. */
  next(state: number, byte: number): number {
    if (state === DEAD) return DEAD;
    const table = this.#tables[state] ?? this.#makeTable(state);
    return table[byte] ?? DEAD;
  }

  /** Which plain texts can come in `state`. */
  plainText(state: number): PlainText {
    const plain = this.#plainTexts[state];
    assert(plain !== undefined, `state ${state} of ${this.#states.length}`);
    return plain;
  }

  /** The bytes so far are a whole sentence. */
  isAccepting(state: number): boolean {
    return state !== DEAD && this.#cellsOf(state)[0] === END;
  }

  /** A whole sentence that nothing can follow. */
  isComplete(state: number): boolean {
    return this.isAccepting(state) && this.#cellsOf(state).length === 1;
  }

  #cellsOf(state: number): readonly number[] {
    const cells = this.#states[state];
    assert(cells !== undefined, `state ${state} of ${this.#states.length}`);
    return cells;
  }

  /** All bytes at once: most lead to few different sets. */
  #makeTable(state: number): Int32Array {
    const reached: number[][] = Array.from({ length: 256 }, () => []);
    for (const cell of this.#cellsOf(state)) this.#addReached(cell, reached);
    const states = new Map<string, number>([["", DEAD]]);
    const table = new Int32Array(256);
    for (const [byte, cells] of reached.entries()) {
      const key = cells.join();
      let next = states.get(key);
      if (next === undefined) {
        next = this.#followed(cells);
        states.set(key, next);
      }
      table[byte] = next;
    }
    this.#tables[state] = table;
    this.#tableCount += 1;
    return table;
  }

  /** Adds what follows a terminal to each byte that it takes. */
  #addReached(cell: number, reached: readonly number[][]): void {
    if (cell === END) return;
    const node = this.#nodeOf(cell);
    const next = this.#cellNext[cell] ?? END;
    if (node.kind === "byte") {
      reached[node.byte]?.push(node.after === null ? next : this.#cell(node.after, next));
    }
    if (node.kind !== "class") return;
    for (const [byte, holds] of node.holds.entries()) if (holds === 1) reached[byte]?.push(next);
  }

  /** Too many ways to go on are none: what leads there is not allowed. */
  #followed(cells: readonly number[]): number {
    try {
      return this.#stateOf(this.#expand(cells));
    } catch (error) {
      if (error instanceof GrammarLimitError) return DEAD;
      throw error;
    }
  }

  /** What the cells begin with. */
  #expand(cells: readonly number[]): Expansion {
    // Whether a cell is reached as a character of a JSON string alone.
    const seen = new Map<number, boolean>();
    const open: number[] = [];
    const push = (cell: number, isText: boolean): void => {
      const before = seen.get(cell);
      if (before === undefined || (before && !isText)) {
        seen.set(cell, isText);
        open.push(cell);
      }
    };
    for (const cell of cells) push(cell, false);
    let charsMax = 0;
    for (let cell = open.pop(); cell !== undefined; cell = open.pop()) {
      if (seen.size > STATE_CELLS_MAX * 4) throw tooAmbiguous();
      if (cell === END || this.#isTerminal(cell)) continue;
      const isWithin = seen.get(cell) === true;
      const node = this.#nodeOf(cell);
      const isText = node.kind === "repeat" && node.isText;
      if (isText) charsMax = Math.max(charsMax, node.max ?? Infinity);
      const [first, ...others] = this.#beginnings(cell);
      if (first !== undefined) push(first, isWithin || (isText && node.max !== 0));
      for (const other of others) push(other, isWithin);
    }
    const terminals = [...seen.keys()].filter((cell) => cell === END || this.#isTerminal(cell));
    if (terminals.length > STATE_CELLS_MAX) throw tooAmbiguous();
    const isExact = terminals.every((cell) => seen.get(cell) === true || this.#endsText(cell));
    const ascending = terminals.toSorted((a, b) => a - b);
    return { cells: ascending, plain: { charsMax, isExact } };
  }

  /** No plain text begins there. */
  #endsText(cell: number): boolean {
    if (cell === END) return true;
    const node = this.#nodeOf(cell);
    return node.kind === "byte" && node.byte === QUOTE;
  }

  #isTerminal(cell: number): boolean {
    const { kind } = this.#nodeOf(cell);
    return kind === "byte" || kind === "class";
  }

  /** What a cell that is no terminal stands for. */
  #beginnings(cell: number): readonly number[] {
    const node = this.#nodeOf(cell);
    const next = this.#cellNext[cell] ?? END;
    switch (node.kind) {
      case "byte":
      case "class":
        return [cell];
      case "sequence":
        return [node.parts.reduceRight((after, part) => this.#cell(part, after), next)];
      case "choice":
        return node.options.map((option) => this.#cell(option, next));
      case "rule": {
        const body = this.#rules.get(node.name);
        assert(body !== undefined, "a grammar names a rule that it lacks");
        return [this.#cell(body, next)];
      }
      case "repeat": {
        if (node.max === 0) return [next];
        const { of, min, max } = node;
        const rest = this.#nodes.repeat({
          of,
          min: Math.max(0, min - 1),
          max: max === null ? null : max - 1,
          isText: node.isText,
        });
        const once = this.#cell(of, this.#cell(rest, next));
        return min > 0 ? [once] : [once, next];
      }
    }
  }

  #nodeOf(cell: number): Node {
    const node = this.#nodes.at(this.#cellNode[cell] ?? -1);
    // A message is made only when it is needed.
    if (node === undefined) throw new AssertionError(`cell ${cell} has no node`);
    return node;
  }

  #cell(node: number, next: number): number {
    const key = node * KEY_BASE + next;
    const known = this.#cellIds.get(key);
    if (known !== undefined) return known;
    const id = this.#cellNode.length;
    this.#cellNode.push(node);
    this.#cellNext.push(next);
    this.#cellIds.set(key, id);
    return id;
  }

  #stateOf({ cells, plain }: Expansion): number {
    const key = cells.join();
    const known = this.#stateIds.get(key);
    if (known !== undefined) return known;
    const id = this.#states.length;
    this.#states.push(cells);
    this.#plainTexts.push(plain);
    this.#stateIds.set(key, id);
    return id;
  }
}

function tooAmbiguous(): GrammarLimitError {
  return new GrammarLimitError(`over ${STATE_CELLS_MAX} ways to go on at one place`);
}
