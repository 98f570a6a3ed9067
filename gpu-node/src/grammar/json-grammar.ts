// Owns the grammar of JSON values as answers have them: strict JSON, with the white space that models write and no more
// of it than that, since a model that may go on with spaces for ever sometimes does.
import { exprs, type Expr } from "./expr.ts";

const { characters, choice, codePoint, EMPTY, oneOf, optional, repeat, rule, sequence, text } =
  exprs;

/** Digits of a number's parts: within what a double tells apart, so that no number runs on for ever. */
const INTEGER_DIGITS_MAX = 15;
const FRACTION_DIGITS_MAX = 15;
/** Two digits: no number is beyond a double's range. */
const EXPONENT_DIGITS_MAX = 2;
/** Spaces of one line's indentation. */
const INDENT_SPACES_MAX = 32;

const DIGIT = oneOf("0-9");
const HEX = oneOf("0-9a-fA-F");

/** Before and after values: nothing, a space, or a new line with its indentation. */
const SPACE: Expr = rule("space");

/** Escapes of half a surrogate pair are left out: they are no text of their own. */
const ESCAPED = choice(
  oneOf('"\\/bfnrt'),
  sequence(
    text("u"),
    choice(
      sequence(oneOf("0-9a-ce-fA-CE-F"), HEX, HEX, HEX),
      sequence(oneOf("dD"), oneOf("0-7"), HEX, HEX),
    ),
  ),
);

/** One character of a string, as it is or escaped. */
const CHARACTER = choice(
  codePoint([
    [0x20, 0x21],
    [0x23, 0x5b],
    [0x5d, 0x10_ffff],
  ]),
  sequence(text("\\"), ESCAPED),
);

const NATURAL = choice(text("0"), sequence(oneOf("1-9"), repeat(DIGIT, 0, INTEGER_DIGITS_MAX - 1)));
const FRACTION: Expr = sequence(text("."), repeat(DIGIT, 1, FRACTION_DIGITS_MAX));
const EXPONENT = sequence(
  oneOf("eE"),
  optional(oneOf("+-")),
  repeat(DIGIT, 1, EXPONENT_DIGITS_MAX),
);

const INTEGER: Expr = sequence(optional(text("-")), NATURAL);
const NUMBER: Expr = sequence(INTEGER, optional(FRACTION), optional(EXPONENT));
const BOOLEAN: Expr = choice(text("true"), text("false"));
const NULL: Expr = text("null");
const STRING: Expr = rule("string");
const VALUE: Expr = rule("value");
const OBJECT: Expr = rule("object");
const ARRAY: Expr = rule("array");

/** A string whose characters the expression describes. */
function quoted(content: Expr): Expr {
  return sequence(text('"'), content, text('"'));
}

/** `open`, the elements with commas between them, `close`; at most `max` of them, null = any number. */
function listOf(
  element: Expr,
  options: { readonly brackets: "[]" | "{}"; readonly min?: number; readonly max?: number | null },
): Expr {
  const { brackets, min = 0, max = null } = options;
  const [open, close] = [text(brackets.charAt(0)), text(brackets.charAt(1))];
  const more = sequence(SPACE, text(","), SPACE, element);
  const rest = repeat(more, Math.max(0, min - 1), max === null ? null : max - 1);
  const filled = sequence(SPACE, element, rest);
  const content = max === 0 ? EMPTY : min > 0 ? filled : optional(filled);
  return sequence(open, content, SPACE, close);
}

/** `"name": value`. */
function member(name: Expr, value: Expr): Expr {
  return sequence(name, SPACE, text(":"), SPACE, value);
}

/** A JSON value spelled in one way only. */
function literal(value: unknown): Expr {
  return text(JSON.stringify(value));
}

/** The rules that the expressions above name. */
export const JSON_RULES: Readonly<Record<string, Expr>> = {
  space: optional(choice(text(" "), sequence(text("\n"), repeat(text(" "), 0, INDENT_SPACES_MAX)))),
  character: CHARACTER,
  string: quoted(characters(0, null)),
  object: listOf(member(STRING, VALUE), { brackets: "{}" }),
  array: listOf(VALUE, { brackets: "[]" }),
  value: choice(STRING, NUMBER, BOOLEAN, NULL, OBJECT, ARRAY),
};

/** The parts of JSON. */
export const json = {
  INTEGER_DIGITS_MAX,
  SPACE,
  FRACTION,
  INTEGER,
  NUMBER,
  BOOLEAN,
  NULL,
  STRING,
  VALUE,
  OBJECT,
  ARRAY,
  quoted,
  listOf,
  member,
  literal,
};
