// Owns the grammar of text up to a mark: free text that a mark ends, or that never has it. Rules are those of the search
// for the mark, one for each part of it that may stand at the end so far.
import { exprs, type Expr, type Range } from "./expr.ts";

const { choice, EMPTY, rule, sequence } = exprs;

export interface MarkedText {
  /** Unique among the grammar's rules. */
  readonly name: string;
  /** ASCII. */
  readonly mark: string;
  /** What follows the mark. */
  readonly next: Expr;
  /** The text may end before the mark comes. */
  readonly mayEnd: boolean;
}

/** The rules of a text up to its mark; the first is `name`. */
export function markedText({
  name,
  mark,
  next: following,
  mayEnd,
}: MarkedText): Record<string, Expr> {
  const bytes = Array.from(mark, (character) => character.charCodeAt(0));
  const nameOf = (matched: number): string => (matched === 0 ? name : `${name} ${matched}`);
  const rules: Record<string, Expr> = {};
  for (let matched = 0; matched < bytes.length; matched++) {
    const rangesTo = new Map<number, Range[]>();
    for (let byte = 0; byte < 256; byte++) {
      const next = matchedAfter(bytes, matched, byte);
      rangesTo.set(next, [...(rangesTo.get(next) ?? []), [byte, byte]]);
    }
    const options = [...rangesTo].map(([next, ranges]) =>
      sequence({ kind: "class", ranges }, next === bytes.length ? following : rule(nameOf(next))),
    );
    rules[nameOf(matched)] = choice(...(mayEnd ? [EMPTY] : []), ...options);
  }
  return rules;
}

/** How much of the mark stands at the end once `byte` has followed `matched` bytes of it. */
function matchedAfter(mark: readonly number[], matched: number, byte: number): number {
  const seen = [...mark.slice(0, matched), byte];
  for (let length = seen.length; length > 0; length--) {
    const tail = seen.slice(seen.length - length);
    if (tail.every((one, at) => one === mark[at])) return length;
  }
  return 0;
}
