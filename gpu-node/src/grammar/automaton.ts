// Owns following a grammar byte by byte: a pushdown automaton made deterministic as far as it is walked. A state is
// the set of cells that the bytes so far lead to, a cell a terminal with the chain of what follows it. Invariant: equal
// cells have one id and equal sets one state, so what was walked once is a table look-up afterwards.
import { assert, AssertionError } from "@fairlane/base";
import type { Expr, Grammar } from "./expr.ts";
import { GRAMMAR_NODES_MAX, STATE_CELLS_MAX } from "./limits.ts";

/** A grammar that cannot be followed within the bounds. */
export class GrammarLimitError extends Error {
  override readonly name = "GrammarLimitError";
}

/** The state from which nothing is accepted. */
export const DEAD = -1;
const UNKNOWN = -2;
/** What follows a cell when nothing has to. */
const END = 0;
/** Keeps a pair of ids one exact number. */
const KEY_BASE = 2 ** 26;

type Node =
  | {
      readonly kind: "byte";
      readonly byte: number;
      /** null: the last */ readonly after: number | null;
    }
  | { readonly kind: "class"; readonly holds: Uint8Array }
  | { readonly kind: "sequence"; readonly parts: readonly number[] }
  | { readonly kind: "choice"; readonly options: readonly number[] }
  | {
      readonly kind: "repeat";
      readonly of: number;
      readonly min: number;
      readonly max: number | null;
    }
  | { readonly kind: "rule"; readonly name: string };

export class Automaton {
  readonly start: number;
  readonly #nodes: Node[] = [];
  readonly #rules = new Map<string, number>();
  readonly #repeats = new Map<string, number>();
  // Cell 0 is END; the node of a cell and the cell after it.
  readonly #cellNode: number[] = [-1];
  readonly #cellNext: number[] = [-1];
  readonly #cellIds = new Map<number, number>();
  /** Cells of each state, ascending: terminals, and END when the bytes so far are a whole sentence. */
  readonly #states: (readonly number[])[] = [];
  /** The next state of each by byte. */
  readonly #tables: Int32Array[] = [];
  readonly #stateIds = new Map<string, number>();

  /** Throws GrammarLimitError for a grammar that is too large. */
  constructor({ root, rules }: Grammar) {
    for (const [name, expr] of Object.entries(rules)) this.#rules.set(name, this.#compile(expr));
    const first = this.#cell(this.#compile(root), END);
    this.start = this.#stateOf(this.#expand([first]));
  }

  get stateCount(): number {
    return this.#states.length;
  }

  get cellCount(): number {
    return this.#cellNode.length;
  }

  /** The state after `byte`, or DEAD. */
  next(state: number, byte: number): number {
    if (state === DEAD) return DEAD;
    const known = this.#tables[state]?.[byte] ?? DEAD;
    return known === UNKNOWN ? this.#walk(state, byte) : known;
  }

  /** The bytes so far are a whole sentence. */
  isAccepting(state: number): boolean {
    return state !== DEAD && this.#cellsOf(state)[0] === END;
  }

  /** A whole sentence that nothing can follow. */
  isComplete(state: number): boolean {
    return this.isAccepting(state) && this.#cellsOf(state).length === 1;
  }

  #walk(state: number, byte: number): number {
    const table = this.#tables[state];
    assert(table !== undefined, `state ${state} of ${this.#tables.length}`);
    const next = this.#step(state, byte);
    table[byte] = next;
    return next;
  }

  #cellsOf(state: number): readonly number[] {
    const cells = this.#states[state];
    assert(cells !== undefined, `state ${state} of ${this.#states.length}`);
    return cells;
  }

  #step(state: number, byte: number): number {
    const reached: number[] = [];
    for (const cell of this.#cellsOf(state)) {
      if (cell === END) continue;
      const node = this.#nodeOf(cell);
      const next = this.#cellNext[cell] ?? END;
      if (node.kind === "byte" && node.byte === byte) {
        reached.push(node.after === null ? next : this.#cell(node.after, next));
      }
      if (node.kind === "class" && node.holds[byte] === 1) reached.push(next);
    }
    return reached.length === 0 ? DEAD : this.#stateOf(this.#expand(reached));
  }

  /** The terminals (and END) that the cells begin with. */
  #expand(cells: readonly number[]): number[] {
    const seen = new Set(cells);
    const open = [...cells];
    const terminals: number[] = [];
    const push = (cell: number): void => {
      if (seen.has(cell)) return;
      seen.add(cell);
      open.push(cell);
    };
    for (let cell = open.pop(); cell !== undefined; cell = open.pop()) {
      if (seen.size > STATE_CELLS_MAX * 4) throw tooAmbiguous();
      if (cell === END || this.#isTerminal(cell)) terminals.push(cell);
      else for (const begun of this.#beginnings(cell)) push(begun);
    }
    if (terminals.length > STATE_CELLS_MAX) throw tooAmbiguous();
    return terminals.toSorted((a, b) => a - b);
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
        const rest = this.#repeat({
          of,
          min: Math.max(0, min - 1),
          max: max === null ? null : max - 1,
        });
        const once = this.#cell(of, this.#cell(rest, next));
        return min > 0 ? [once] : [once, next];
      }
    }
  }

  #nodeOf(cell: number): Node {
    const node = this.#nodes[this.#cellNode[cell] ?? -1];
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

  #stateOf(cells: readonly number[]): number {
    const key = cells.join();
    const known = this.#stateIds.get(key);
    if (known !== undefined) return known;
    const id = this.#states.length;
    this.#states.push(cells);
    this.#tables.push(new Int32Array(256).fill(UNKNOWN));
    this.#stateIds.set(key, id);
    return id;
  }

  #compile(expr: Expr): number {
    if (this.#nodes.length >= GRAMMAR_NODES_MAX) {
      throw new GrammarLimitError(`the grammar has more than ${GRAMMAR_NODES_MAX} expressions`);
    }
    switch (expr.kind) {
      case "bytes": {
        if (expr.bytes.length === 0) return this.#node({ kind: "sequence", parts: [] });
        const [last = 0, ...before] = expr.bytes.toReversed();
        let node = this.#node({ kind: "byte", byte: last, after: null });
        for (const byte of before) node = this.#node({ kind: "byte", byte, after: node });
        return node;
      }
      case "class": {
        const holds = new Uint8Array(256);
        for (const [first, last] of expr.ranges) holds.fill(1, first, last + 1);
        return this.#node({ kind: "class", holds });
      }
      case "sequence":
        return this.#node({
          kind: "sequence",
          parts: expr.parts.map((part) => this.#compile(part)),
        });
      case "choice":
        return this.#node({
          kind: "choice",
          options: expr.options.map((one) => this.#compile(one)),
        });
      case "repeat":
        return this.#repeat({ of: this.#compile(expr.of), min: expr.min, max: expr.max });
      case "rule":
        return this.#node(expr);
    }
  }

  #repeat({ of, min, max }: Omit<Extract<Node, { kind: "repeat" }>, "kind">): number {
    const key = `${of},${min},${max}`;
    const known = this.#repeats.get(key);
    if (known !== undefined) return known;
    const id = this.#node({ kind: "repeat", of, min, max });
    this.#repeats.set(key, id);
    return id;
  }

  #node(node: Node): number {
    this.#nodes.push(node);
    return this.#nodes.length - 1;
  }
}

function tooAmbiguous(): GrammarLimitError {
  return new GrammarLimitError(`over ${STATE_CELLS_MAX} ways to go on at one place`);
}
