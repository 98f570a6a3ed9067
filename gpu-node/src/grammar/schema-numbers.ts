// Owns the grammar of numbers within bounds, written out digit by digit. Invariant: what it accepts lies within the
// bounds; bounds are whole numbers, since those of fractions would need a grammar of their own for each.
import { exprs, sequencesBetween, type Expr } from "./expr.ts";
import { json } from "./json-grammar.ts";
import { SchemaError } from "./schema-node.ts";

const { choice, oneOf, optional, repeat, sequence, text } = exprs;
const { FRACTION, INTEGER, INTEGER_DIGITS_MAX, NUMBER } = json;

const LARGEST = 10 ** INTEGER_DIGITS_MAX - 1;
const ZERO_CODE = 0x30;
const DIGITS = [ZERO_CODE, ZERO_CODE + 9] as const;

/** Keywords of numbers. */
export const NUMBER_KEYWORDS = [
  "minimum",
  "maximum",
  "exclusiveMinimum",
  "exclusiveMaximum",
  "multipleOf",
] as const;

type Bounds = Partial<Record<(typeof NUMBER_KEYWORDS)[number], unknown>>;

/** Whole numbers within the bounds. Throws SchemaError. */
export function integersWithin(bounds: Bounds, path: string): Expr {
  const at = (keyword: keyof Bounds) => boundOf(bounds, keyword, path);
  if (bounds.multipleOf !== undefined && bounds.multipleOf !== 1) {
    throw new SchemaError(path, "'multipleOf' is supported as 1 only");
  }
  const [minimum, maximum] = [at("minimum"), at("maximum")];
  const [above, below] = [at("exclusiveMinimum"), at("exclusiveMaximum")];
  const lows = [
    minimum === null ? null : Math.ceil(minimum),
    above === null ? null : Math.floor(above) + 1,
  ];
  const highs = [
    maximum === null ? null : Math.floor(maximum),
    below === null ? null : Math.ceil(below) - 1,
  ];
  const low = lows.reduce<number | null>(
    (a, b) => (a === null || (b ?? a) > a ? (b ?? a) : a),
    null,
  );
  const high = highs.reduce<number | null>(
    (a, b) => (a === null || (b ?? a) < a ? (b ?? a) : a),
    null,
  );
  if (low === null && high === null) return INTEGER;
  return signed(low, high, { path, of: naturalsWithin });
}

/** Numbers within inclusive whole bounds. Throws SchemaError. */
export function numbersWithin(bounds: Bounds, path: string): Expr {
  for (const keyword of ["exclusiveMinimum", "exclusiveMaximum", "multipleOf"] as const) {
    if (bounds[keyword] !== undefined) {
      throw new SchemaError(path, `'${keyword}' is supported for type 'integer' only`);
    }
  }
  const [low, high] = [boundOf(bounds, "minimum", path), boundOf(bounds, "maximum", path)];
  if (low === null && high === null) return NUMBER;
  for (const bound of [low, high]) {
    if (bound === null || Number.isInteger(bound)) continue;
    throw new SchemaError(path, `the bound ${bound} of type 'number' is no whole number`);
  }
  return signed(low, high, { path, of: decimalsWithin });
}

function boundOf(bounds: Bounds, keyword: keyof Bounds, path: string): number | null {
  const value = bounds[keyword];
  if (value === undefined) return null;
  if (typeof value === "number" && Math.abs(value) <= LARGEST) return value;
  throw new SchemaError(path, `'${keyword}' must be a number from -${LARGEST} to ${LARGEST}`);
}

/** Both signs' parts of a range, each by its absolute values. */
function signed(
  low: number | null,
  high: number | null,
  parts: { readonly path: string; readonly of: (low: number, high: number) => Expr },
): Expr {
  const [from, to] = [low ?? -LARGEST, high ?? LARGEST];
  if (from > to) throw new SchemaError(parts.path, `no number lies between ${from} and ${to}`);
  const options: Expr[] = [];
  if (to >= 0) options.push(parts.of(Math.max(0, from), to));
  if (from < 0) options.push(sequence(text("-"), parts.of(Math.max(0, -to), -from)));
  return choice(...options);
}

function naturalsWithin(low: number, high: number): Expr {
  const options: Expr[] = [];
  for (let digits = String(low).length; digits <= String(high).length; digits++) {
    const from = Math.max(low, digits === 1 ? 0 : 10 ** (digits - 1));
    const to = Math.min(high, 10 ** digits - 1);
    for (const ranges of sequencesBetween(codesOf(from), codesOf(to), DIGITS)) {
      options.push(sequence(...ranges.map((range): Expr => ({ kind: "class", ranges: [range] }))));
    }
  }
  return choice(...options);
}

function decimalsWithin(low: number, high: number): Expr {
  const zeros = sequence(text("."), repeat(oneOf("0"), 1, INTEGER_DIGITS_MAX));
  const last = sequence(naturalsWithin(high, high), optional(zeros));
  if (low === high) return last;
  return choice(sequence(naturalsWithin(low, high - 1), optional(FRACTION)), last);
}

function codesOf(value: number): number[] {
  return Array.from(String(value), (digit) => digit.charCodeAt(0));
}
