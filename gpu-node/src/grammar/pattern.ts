// Owns the grammar of JSON strings that match a regular expression of a schema. Supported is what a grammar can say:
// no look-around, no references back. Invariant: what it accepts, read as JSON, matches the expression as ECMAScript
// does with the u flag.
import { exprs, type Expr, type Range } from "./expr.ts";
import { SchemaError } from "./schema-node.ts";

const { characters, choice, codePoint, EMPTY, repeat, sequence, text } = exprs;

const LAST = 0x10_ffff;
const DIGITS: readonly Range[] = [[0x30, 0x39]];
const WORDS: readonly Range[] = [
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
];
const SPACES: readonly Range[] = [
  [0x09, 0x0d],
  [0x20, 0x20],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
];
const LINE_ENDS: readonly Range[] = [
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x2028, 0x2029],
];
const SHORT_ESCAPES: Readonly<Record<string, number>> = {
  n: 0x0a,
  r: 0x0d,
  t: 0x09,
  f: 0x0c,
  v: 0x0b,
};
/** What JSON spells with a letter behind a backslash. */
const JSON_ESCAPES: readonly (readonly [code: number, spelled: string])[] = [
  [0x08, "\\b"],
  [0x09, "\\t"],
  [0x0a, "\\n"],
  [0x0c, "\\f"],
  [0x0d, "\\r"],
  [0x22, '\\"'],
  [0x5c, "\\\\"],
];
const REPEAT_MAX = 10_000;

/** The content of the strings, without their quotes. Throws SchemaError, `path` naming the place. */
export function patternOf(pattern: string, path: string): Expr {
  return new PatternParser(pattern, path).parse();
}

class PatternParser {
  readonly #pattern: string;
  readonly #path: string;
  readonly #source: readonly string[];
  #at = 0;

  constructor(pattern: string, path: string) {
    this.#pattern = pattern;
    this.#path = path;
    // By code point, as the u flag has it.
    this.#source = Array.from(pattern);
  }

  parse(): Expr {
    const options: Expr[] = [];
    do {
      // An expression may match anywhere in the string unless it is anchored.
      const before = this.#take("^") ? EMPTY : characters(0, null);
      const body = this.#terms();
      const after = this.#take("$") ? EMPTY : characters(0, null);
      options.push(sequence(before, body, after));
    } while (this.#take("|"));
    if (this.#at < this.#source.length) throw this.#refusal(this.#source[this.#at] ?? "");
    return choice(...options);
  }

  #alternatives(): Expr {
    const options = [this.#terms()];
    while (this.#take("|")) options.push(this.#terms());
    return choice(...options);
  }

  #terms(): Expr {
    const parts: Expr[] = [];
    for (let next = this.#source[this.#at]; next !== undefined; next = this.#source[this.#at]) {
      if (next === "|" || next === ")" || next === "$") break;
      parts.push(this.#quantified(this.#atom(next)));
    }
    return sequence(...parts);
  }

  #atom(first: string): Expr {
    this.#at += 1;
    switch (first) {
      case "(": {
        if (this.#take("?") && !this.#take(":")) throw this.#refusal("(?");
        const inner = this.#alternatives();
        if (!this.#take(")")) throw this.#refusal("(");
        return inner;
      }
      case "[":
        return inJson(this.#characterClass());
      case ".":
        return inJson(complement(LINE_ENDS));
      case "\\":
        return inJson(this.#escape());
      case "^":
      case "*":
      case "+":
      case "?":
      case "{":
      case "}":
      case "]":
        throw this.#refusal(first);
      default:
        return inJson(rangeOf(first));
    }
  }

  #quantified(atom: Expr): Expr {
    const [min, max] = this.#counts();
    // Whether it is lazy changes what is captured, not what matches.
    if (min !== 1 || max !== 1) this.#take("?");
    return min === 1 && max === 1 ? atom : repeat(atom, min, max);
  }

  #counts(): readonly [min: number, max: number | null] {
    if (this.#take("*")) return [0, null];
    if (this.#take("+")) return [1, null];
    if (this.#take("?")) return [0, 1];
    if (this.#source[this.#at] !== "{") return [1, 1];
    const rest = this.#source.slice(this.#at).join("");
    const match = /^\{(\d{1,5})(,?)(\d{0,5})\}/.exec(rest);
    const [whole = "", low = "", comma = "", high = ""] = match ?? [];
    if (whole === "" || (comma === "" && high !== "")) throw this.#refusal("{");
    this.#at += whole.length;
    const min = Number(low);
    const max = high !== "" ? Number(high) : comma === "" ? min : null;
    if (min > REPEAT_MAX || (max !== null && (max > REPEAT_MAX || max < min)))
      throw this.#refusal(whole);
    return [min, max];
  }

  #characterClass(): readonly Range[] {
    const isNegated = this.#take("^");
    const ranges: Range[] = [];
    for (;;) {
      const next = this.#source[this.#at];
      if (next === undefined) throw this.#refusal("[");
      this.#at += 1;
      if (next === "]") break;
      const from = next === "\\" ? this.#escape() : rangeOf(next);
      const isRange = this.#source[this.#at] === "-" && this.#source[this.#at + 1] !== "]";
      if (!isRange) {
        ranges.push(...from);
        continue;
      }
      this.#at += 1;
      const last = this.#source[this.#at] ?? "";
      this.#at += 1;
      ranges.push(this.#between(from, last === "\\" ? this.#escape() : rangeOf(last)));
    }
    return isNegated ? complement(ranges) : ranges;
  }

  #between(from: readonly Range[], to: readonly Range[]): Range {
    const [first, last] = [from[0], to[0]];
    const isSingle = first?.[0] === first?.[1] && last?.[0] === last?.[1];
    if (
      first === undefined ||
      last === undefined ||
      !isSingle ||
      from.length + to.length > 2 ||
      first[0] > last[0]
    ) {
      throw this.#refusal("-");
    }
    return [first[0], last[0]];
  }

  /** What stands behind a backslash. */
  #escape(): readonly Range[] {
    const letter = this.#source[this.#at] ?? "";
    this.#at += 1;
    const short = Object.hasOwn(SHORT_ESCAPES, letter) ? SHORT_ESCAPES[letter] : undefined;
    if (short !== undefined) return [[short, short]];
    switch (letter) {
      case "d":
        return DIGITS;
      case "D":
        return complement(DIGITS);
      case "w":
        return WORDS;
      case "W":
        return complement(WORDS);
      case "s":
        return SPACES;
      case "S":
        return complement(SPACES);
      case "x":
      case "u":
        return this.#hexEscape(letter === "x" ? 2 : 4);
      default:
        // Letters and digits mean something else: references back, boundaries, properties.
        if (letter === "" || /[a-zA-Z0-9]/.test(letter)) throw this.#refusal(`\\${letter}`);
        return rangeOf(letter);
    }
  }

  #hexEscape(digitCount: number): readonly Range[] {
    const digits = this.#source.slice(this.#at, this.#at + digitCount).join("");
    const code = Number.parseInt(digits, 16);
    const isWhole = /^[0-9a-fA-F]+$/.test(digits) && digits.length === digitCount;
    if (!isWhole || (code >= 0xd800 && code <= 0xdfff)) throw this.#refusal("\\u");
    this.#at += digitCount;
    return [[code, code]];
  }

  #take(character: string): boolean {
    if (this.#source[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  #refusal(what: string): SchemaError {
    const shown = JSON.stringify(this.#pattern.slice(0, 100));
    return new SchemaError(
      this.#path,
      `'pattern' ${shown} is not supported: '${what}' at ${this.#at}`,
    );
  }
}

function rangeOf(character: string): readonly Range[] {
  const code = character.codePointAt(0) ?? 0;
  return [[code, code]];
}

/** All code points that none of the ranges has. */
function complement(ranges: readonly Range[]): Range[] {
  const out: Range[] = [];
  let from = 0;
  for (const [first, last] of ranges.toSorted((a, b) => a[0] - b[0])) {
    if (first > from) out.push([from, first - 1]);
    from = Math.max(from, last + 1);
  }
  if (from <= LAST) out.push([from, LAST]);
  return out;
}

/** One of the code points as a JSON string spells it; control characters without a short escape are left out. */
function inJson(ranges: readonly Range[]): Expr {
  const holds = (code: number): boolean =>
    ranges.some(([first, last]) => code >= first && code <= last);
  const escaped = JSON_ESCAPES.filter(([code]) => holds(code)).map(([, spelled]) => text(spelled));
  const plain = complement([...complement(ranges), [0, 0x1f], [0x22, 0x22], [0x5c, 0x5c]]);
  return choice(...(plain.length > 0 ? [codePoint(plain)] : []), ...escaped);
}
