// Owns the grammar of strings under a schema: lengths, and the formats that can be spelled out.
import { exprs, type Expr } from "./expr.ts";
import { json } from "./json-grammar.ts";
import { patternOf } from "./pattern.ts";
import { SchemaError } from "./schema-node.ts";

const { characters, choice, oneOf, optional, repeat, sequence, text } = exprs;
const { quoted, STRING } = json;

/** Keywords of strings. */
export const STRING_KEYWORDS = ["minLength", "maxLength", "format", "pattern"] as const;

const FRACTION_DIGITS_MAX = 9;
/** Characters of a pattern: far above those that people write. */
const PATTERN_CHARS_MAX = 1_000;
const DIGIT = oneOf("0-9");
const HEX = oneOf("0-9a-f");

function digits(count: number): Expr {
  return repeat(DIGIT, count, count);
}

function hex(count: number): Expr {
  return repeat(HEX, count, count);
}

function between(first: number, last: number): Expr {
  const all = Array.from({ length: last - first + 1 }, (_, i) =>
    String(first + i).padStart(2, "0"),
  );
  return choice(...all.map(text));
}

// Days up to the 28th: right in every month.
const DATE = sequence(digits(4), text("-"), between(1, 12), text("-"), between(1, 28));
const CLOCK = sequence(between(0, 23), text(":"), between(0, 59), text(":"), between(0, 59));
const OFFSET = choice(text("Z"), sequence(oneOf("+-"), between(0, 23), text(":"), between(0, 59)));
const TIME = sequence(
  CLOCK,
  optional(sequence(text("."), repeat(DIGIT, 1, FRACTION_DIGITS_MAX))),
  OFFSET,
);
const IPV4_PART = choice(
  sequence(text("25"), oneOf("0-5")),
  sequence(text("2"), oneOf("0-4"), DIGIT),
  sequence(text("1"), DIGIT, DIGIT),
  sequence(oneOf("1-9"), DIGIT),
  DIGIT,
);

const FORMATS: Readonly<Record<string, Expr>> = {
  date: DATE,
  time: TIME,
  "date-time": sequence(DATE, text("T"), TIME),
  uuid: sequence(
    hex(8),
    text("-"),
    hex(4),
    text("-"),
    hex(4),
    text("-"),
    hex(4),
    text("-"),
    hex(12),
  ),
  ipv4: sequence(IPV4_PART, repeat(sequence(text("."), IPV4_PART), 3, 3)),
};

/** The strings that the schema's keywords describe. Throws SchemaError. */
export function stringsOf(schema: Readonly<Record<string, unknown>>, path: string): Expr {
  const { minLength, maxLength, format, pattern } = schema;
  const hasLength = minLength !== undefined || maxLength !== undefined;
  if (pattern !== undefined) {
    if (typeof pattern !== "string" || pattern.length > PATTERN_CHARS_MAX) {
      throw new SchemaError(
        path,
        `'pattern' must be a text of at most ${PATTERN_CHARS_MAX} characters`,
      );
    }
    if (hasLength || format !== undefined) {
      throw new SchemaError(path, "'pattern' together with 'format' or a length is not supported");
    }
    return quoted(patternOf(pattern, path));
  }
  if (format !== undefined) {
    const known =
      typeof format === "string" && Object.hasOwn(FORMATS, format) ? FORMATS[format] : undefined;
    if (known === undefined) {
      const names = Object.keys(FORMATS).join(", ");
      throw new SchemaError(
        path,
        `format ${JSON.stringify(format)} is not supported; these are: ${names}`,
      );
    }
    if (hasLength) {
      throw new SchemaError(path, "'format' together with a length is not supported");
    }
    return quoted(known);
  }
  const { min, max } = lengthsOf({ min: minLength, max: maxLength }, { path, of: "Length" });
  return min === 0 && max === null ? STRING : quoted(characters(min, max));
}

/** A minimum and a maximum of things, checked. */
export function lengthsOf(
  given: { readonly min: unknown; readonly max: unknown },
  about: { readonly path: string; readonly of: string },
): { min: number; max: number | null } {
  const check = (name: string, value: unknown): number | null => {
    if (value === undefined) return null;
    if (Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= COUNT_MAX)
      return Number(value);
    throw new SchemaError(
      about.path,
      `'${name}${about.of}' must be an integer from 0 to ${COUNT_MAX}`,
    );
  };
  const [min, max] = [check("min", given.min) ?? 0, check("max", given.max)];
  if (max !== null && min > max) {
    throw new SchemaError(about.path, `'min${about.of}' ${min} is above 'max${about.of}' ${max}`);
  }
  return { min, max };
}

/** Characters or items that a schema may count: as many as output tokens at most. */
const COUNT_MAX = 1_000_000;
