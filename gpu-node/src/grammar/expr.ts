// Owns the form in which a grammar is written: expressions over bytes, and named rules for what repeats or recurs. Plain
// data that can be sent to a thread; what it accepts is automaton.ts's. Invariant: a rule that reaches itself consumes a
// byte first (its author's duty), so that following a grammar always ends.

/** An inclusive range of byte values or of code points. */
export type Range = readonly [first: number, last: number];

export type Expr =
  | { readonly kind: "bytes"; readonly bytes: readonly number[] }
  | { readonly kind: "class"; readonly ranges: readonly Range[] }
  | { readonly kind: "sequence"; readonly parts: readonly Expr[] }
  | { readonly kind: "choice"; readonly options: readonly Expr[] }
  /** `max` null = any number. */
  | {
      readonly kind: "repeat";
      readonly of: Expr;
      readonly min: number;
      readonly max: number | null;
    }
  /** Characters of a JSON string: the rule "character", repeated; `max` null = any number. */
  | { readonly kind: "characters"; readonly min: number; readonly max: number | null }
  | { readonly kind: "rule"; readonly name: string };

export interface Grammar {
  readonly root: Expr;
  readonly rules: Readonly<Record<string, Expr>>;
}

const encoder = new TextEncoder();
const CONTINUATION: Range = [0x80, 0xbf];
const FIRST_OF_LENGTH = [0, 0x80, 0x800, 0x1_0000] as const;
const LAST_OF_LENGTH = [0x7f, 0x7ff, 0xffff, 0x10_ffff] as const;

const EMPTY: Expr = { kind: "sequence", parts: [] };

/** The text itself, as UTF-8. */
function text(value: string): Expr {
  return { kind: "bytes", bytes: [...encoder.encode(value)] };
}

function sequence(...parts: readonly Expr[]): Expr {
  return { kind: "sequence", parts };
}

function choice(...options: readonly Expr[]): Expr {
  const [only] = options;
  return options.length === 1 && only !== undefined ? only : { kind: "choice", options };
}

function repeat(of: Expr, min: number, max: number | null): Expr {
  return { kind: "repeat", of, min, max };
}

function characters(min: number, max: number | null): Expr {
  return { kind: "characters", min, max };
}

function optional(of: Expr): Expr {
  return repeat(of, 0, 1);
}

function rule(name: string): Expr {
  return { kind: "rule", name };
}

/** One byte of the characters, which are ASCII; "0-9" and the like are ranges. */
function oneOf(characters: string): Expr {
  const ranges = [...characters.matchAll(/(.)-(.)|./gsu)].map(([whole, first, last]): Range => {
    return [(first ?? whole).charCodeAt(0), (last ?? whole).charCodeAt(0)];
  });
  return { kind: "class", ranges };
}

/** One code point of the ranges, as UTF-8. Surrogates are no code points. */
function codePoint(ranges: readonly Range[]): Expr {
  const valid = ranges.flatMap(withoutSurrogates);
  const single = valid.flatMap((range) => cut(range, 0));
  const longer = [1, 2, 3].flatMap((length) =>
    valid.flatMap((range) => cut(range, length)).flatMap(utf8Ranges),
  );
  const options = longer.map((bytes) =>
    sequence(...bytes.map((range): Expr => ({ kind: "class", ranges: [range] }))),
  );
  return choice(
    ...(single.length > 0 ? [{ kind: "class", ranges: single } as const] : []),
    ...options,
  );
}

function withoutSurrogates([first, last]: Range): Range[] {
  const parts: Range[] = [
    [first, Math.min(last, 0xd7ff)],
    [Math.max(first, 0xe000), last],
  ];
  return parts.filter(([from, to]) => from <= to);
}

/** What of the range takes `more` bytes more than one. */
function cut([first, last]: Range, more: number): Range[] {
  const from = Math.max(first, FIRST_OF_LENGTH[more] ?? 0);
  const to = Math.min(last, LAST_OF_LENGTH[more] ?? 0);
  return from <= to ? [[from, to]] : [];
}

/** A range of code points of one UTF-8 length, as sequences of byte ranges. */
function utf8Ranges([first, last]: Range): Range[][] {
  return sequencesBetween(bytesOf(first), bytesOf(last), CONTINUATION);
}

function bytesOf(code: number): number[] {
  return [...encoder.encode(String.fromCodePoint(code))];
}

/**
 * All strings of bytes from `from` to `to`, of equal length, in the order of numbers whose later digits run over
 * `digits`: as sequences of ranges.
 */
export function sequencesBetween(
  from: readonly number[],
  to: readonly number[],
  digits: Range,
): Range[][] {
  const [first = 0, ...fromTail] = from;
  const [last = 0, ...toTail] = to;
  if (fromTail.length === 0) return [[[first, last]]];
  const tails = (start: number, tailFrom: readonly number[], tailTo: readonly number[]) =>
    sequencesBetween(tailFrom, tailTo, digits).map((tail): Range[] => [[start, start], ...tail]);
  if (first === last) return tails(first, fromTail, toTail);
  const lowest = fromTail.map(() => digits[0]);
  const highest = fromTail.map(() => digits[1]);
  const startsWhole = fromTail.every((byte) => byte === digits[0]);
  const endsWhole = toTail.every((byte) => byte === digits[1]);
  const [low, high] = [startsWhole ? first : first + 1, endsWhole ? last : last - 1];
  return [
    ...(startsWhole ? [] : tails(first, fromTail, highest)),
    ...(low <= high ? [[[low, high] as Range, ...fromTail.map(() => digits)]] : []),
    ...(endsWhole ? [] : tails(last, lowest, toTail)),
  ];
}

/** What grammars are written with. */
export const exprs = {
  EMPTY,
  characters,
  choice,
  codePoint,
  oneOf,
  optional,
  repeat,
  rule,
  sequence,
  text,
};
