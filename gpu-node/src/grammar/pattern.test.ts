import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Automaton } from "./automaton.ts";
import { grammarOfSchema } from "./json-schema.ts";

function grammarFor(pattern: string): Automaton {
  return new Automaton(grammarOfSchema({ type: "string", pattern }, { isStrict: true }));
}

function takes(automaton: Automaton, value: string): boolean {
  let state = automaton.start;
  for (const byte of Buffer.from(JSON.stringify(value))) state = automaton.next(state, byte);
  return automaton.isAccepting(state);
}

const PATTERNS = [
  "^\\d{3}-\\d{4}$",
  "^(?:[A-Z]{2}|x)[^a-z\\s]*$",
  "a+b?",
  "^a|b$",
  "^[\\w.+-]+@[\\w-]+\\.[a-z]{2,}$",
  "^$",
  '^["\\\\\\]-]{1,3}$',
  "^.é*?日\\u0041$",
  "^(a(b|c){0,2})+$",
];
const TEXTS = [
  "",
  "123-4567",
  "123-456",
  "AB",
  "x12Q",
  "xa",
  "zaaz",
  "ba",
  "ab",
  "b",
  "cb",
  "me@x-y.org",
  "me@x",
  '"]',
  "\\",
  '-"\\',
  "xéé日A",
  "日A",
  "\n日A",
  "ab",
  "abcac",
  "abcb",
  "a".repeat(9),
];

describe("patternOf", () => {
  it.each(PATTERNS)("takes what matches %s and nothing else", (pattern) => {
    const automaton = grammarFor(pattern);
    const expression = new RegExp(pattern, "u");
    for (const text of TEXTS) expect(takes(automaton, text), text).toBe(expression.test(text));
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...Array.from('abcxA1-4.@"\\]é日\n ')), maxLength: 8 }),
        (text) => {
          expect(takes(automaton, text)).toBe(expression.test(text));
        },
      ),
      { numRuns: 200 },
    );
  });

  it.each([
    "(?=a)",
    "(a)\\1",
    "\\bword\\b",
    "a{2",
    "[a",
    "(a",
    "*a",
    "a^b",
    "\\p{L}",
    "[z-a]",
    "a{99999}",
    "a)",
  ])("refuses %s", (pattern) => {
    expect(() => grammarFor(pattern)).toThrow("is not supported: '");
  });
});
