// Owns a grammar's expressions as numbered nodes, which automata refer to. Repetitions with other counts are added while
// the grammar is followed. Invariant: a node never changes.
import type { Expr } from "./expr.ts";
import { GRAMMAR_NODES_MAX } from "./limits.ts";

/** A grammar that cannot be followed within the bounds. */
export class GrammarLimitError extends Error {
  override readonly name = "GrammarLimitError";
}

export type Node =
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
      /** Repeats the characters of a JSON string. */
      readonly isText: boolean;
    }
  | { readonly kind: "rule"; readonly name: string };

export type Repeat = Omit<Extract<Node, { kind: "repeat" }>, "kind">;

export class GrammarNodes {
  readonly #nodes: Node[] = [];
  readonly #repeats = new Map<string, number>();

  at(node: number): Node | undefined {
    return this.#nodes[node];
  }

  /** The node of an expression. Throws GrammarLimitError for a grammar that is too large. */
  compile(expr: Expr): number {
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
          parts: expr.parts.map((part) => this.compile(part)),
        });
      case "choice":
        return this.#node({
          kind: "choice",
          options: expr.options.map((one) => this.compile(one)),
        });
      case "repeat":
        return this.repeat({
          of: this.compile(expr.of),
          min: expr.min,
          max: expr.max,
          isText: false,
        });
      case "characters": {
        const of = this.compile({ kind: "rule", name: "character" });
        return this.repeat({ of, min: expr.min, max: expr.max, isText: true });
      }
      case "rule":
        return this.#node(expr);
    }
  }

  /** The node of a repetition; equal ones have one. */
  repeat({ of, min, max, isText }: Repeat): number {
    const key = `${of},${min},${max},${isText}`;
    const known = this.#repeats.get(key);
    if (known !== undefined) return known;
    const id = this.#node({ kind: "repeat", of, min, max, isText });
    this.#repeats.set(key, id);
    return id;
  }

  #node(node: Node): number {
    this.#nodes.push(node);
    return this.#nodes.length - 1;
  }
}
