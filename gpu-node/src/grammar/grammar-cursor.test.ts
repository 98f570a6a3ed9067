import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { exprs, type Grammar } from "./expr.ts";
import { GrammarCursor, SharedAutomaton } from "./grammar-cursor.ts";
import { json, JSON_RULES } from "./json-grammar.ts";
import { grammarOfSchema } from "./json-schema.ts";
import { AUTOMATON_STATES_MAX } from "./limits.ts";
import { byteVocabulary, END_TOKEN, MARKER_TOKEN, tokensOf } from "./testing/byte-vocabulary.ts";
import { TokenSets } from "./token-sets.ts";
import { bytesOfToken } from "./vocabulary.ts";

const { choice, oneOf, repeat, sequence, text } = exprs;
const vocabulary = byteVocabulary();
const tokens = new TokenSets(vocabulary);
const JSON_OBJECT: Grammar = { root: json.OBJECT, rules: JSON_RULES };

function cursorAt(grammar: Grammar, said: string): GrammarCursor {
  const cursor = new GrammarCursor(new SharedAutomaton(grammar, tokens), [END_TOKEN]);
  for (const token of tokensOf(said)) cursor.accept(token);
  return cursor;
}

function allowedAt(cursor: GrammarCursor): number[] {
  const mask = new Int32Array(tokens.maskWords);
  cursor.writeMask(mask);
  return Array.from({ length: vocabulary.size }, (_, token) => token).filter(
    (token) => (((mask[token >> 5] ?? 0) >>> (token & 31)) & 1) === 1,
  );
}

const spelled = (allowed: readonly number[]): string[] =>
  allowed.map((token) => Buffer.from(bytesOfToken(vocabulary, token)).toString());

describe("GrammarCursor", () => {
  it("allows the tokens that the grammar can go on with, whole and no longer", () => {
    const grammar = {
      root: sequence(text('{"'), repeat(oneOf("ab"), 0, 2), text('":1}')),
      rules: {},
    };
    expect(spelled(allowedAt(cursorAt(grammar, "")))).toEqual(["{", '{"']);
    expect(spelled(allowedAt(cursorAt(grammar, '{"a')))).toEqual(['"', "a", "b", '":']);
    expect(spelled(allowedAt(cursorAt(grammar, '{"ab')))).toEqual(['"', '":']);
  });

  it("allows the stop tokens exactly where the answer may end, and is complete where it must", () => {
    const grammar = { root: sequence(oneOf("1-9"), repeat(oneOf("0-9"), 0, 1)), rules: {} };
    expect(allowedAt(cursorAt(grammar, ""))).not.toContain(END_TOKEN);
    const one = cursorAt(grammar, "7");
    expect([allowedAt(one).includes(END_TOKEN), one.isComplete]).toEqual([true, false]);
    const two = cursorAt(grammar, "42");
    expect([allowedAt(two), two.isComplete]).toEqual([[END_TOKEN], true]);
  });

  it("never allows control tokens", () => {
    const grammar = { root: text("<|marker|>"), rules: {} };
    expect(allowedAt(cursorAt(grammar, ""))).toEqual([0x3c]);
    expect(allowedAt(cursorAt(JSON_OBJECT, '{"a')).includes(MARKER_TOKEN)).toBe(false);
  });

  /** The mask after `said` has exactly the tokens that can be accepted one by one. */
  function expectExactMask(shared: SharedAutomaton, said: readonly number[]): void {
    const cursor = new GrammarCursor(shared, [], said);
    const allowed = new Set(allowedAt(cursor));
    for (let token = 0; token < vocabulary.size - 2; token++) {
      const probe = cursor.fork();
      let isTaken = true;
      try {
        probe.accept(token);
      } catch {
        isTaken = false;
      }
      expect(allowed.has(token), `token ${token} after ${spelled(said).join("")}`).toBe(isTaken);
    }
  }

  it("allows inside strings what a walk over every token allows", () => {
    const short = (_: string, one: unknown) =>
      typeof one === "number" ? Math.trunc(one % 1e6) : one;
    fc.assert(
      fc.property(
        fc.jsonValue({ maxDepth: 2, stringUnit: "grapheme" }),
        fc.nat(),
        (value, cutAt) => {
          const all = tokensOf(JSON.stringify({ é: value, b: "日本 \\ end" }, short));
          expectExactMask(
            new SharedAutomaton(JSON_OBJECT, tokens),
            all.slice(0, cutAt % all.length),
          );
        },
      ),
      { numRuns: 25 },
    );
  });

  it("allows inside bounded strings what a walk over every token allows", () => {
    const text = { type: "string", minLength: 2, maxLength: 4 };
    let checkedCount = 0;
    const others = { enum: ["abcabcabc", "日本語", 'a"b'] };
    for (const anyOf of [
      [text],
      [text, others],
      [others],
      [text, { type: "string" }],
      [text, { type: "string", maxLength: 9 }],
    ]) {
      const shared = new SharedAutomaton(grammarOfSchema({ anyOf }, { isStrict: true }), tokens);
      for (const said of ['"', '"a', '"ab', '"abc', '"abca', '"日本', '"\\', '"\\u00e', '"a\\"']) {
        const all = tokensOf(said);
        let isTaken = true;
        try {
          new GrammarCursor(shared, [], all);
        } catch {
          isTaken = false;
        }
        if (!isTaken) continue;
        expectExactMask(shared, all);
        checkedCount += 1;
      }
    }
    expect(checkedCount).toBeGreaterThan(20);
  });

  it("refuses a token outside of the grammar", () => {
    expect(() => cursorAt(JSON_OBJECT, "[")).toThrow("outside of the grammar");
  });

  it("stands where it stood when the automaton has begun afresh", () => {
    const counted: Grammar = {
      root: sequence(repeat(oneOf("ab"), 0, 10_000), text("!")),
      rules: {},
    };
    const shared = new SharedAutomaton(counted, tokens);
    const waiting = new GrammarCursor(shared, []);
    waiting.accept(0x61);
    const first = shared.current();
    const busy = new GrammarCursor(shared, []);
    for (let i = 0; i < AUTOMATON_STATES_MAX + 10; i++) busy.accept(0x61 + (i % 2));
    expect(shared.current()).not.toBe(first);
    waiting.accept(0x21);
    expect([waiting.isComplete, waiting.acceptedCount]).toEqual([true, 2]);
    busy.accept(0x21);
    expect(busy.isComplete).toBe(true);
  });

  it("lets forks go their own ways", () => {
    const grammar = { root: choice(text("ab"), text("ac")), rules: {} };
    const cursor = cursorAt(grammar, "a");
    const other = cursor.fork();
    cursor.accept(0x62);
    other.accept(0x63);
    expect([cursor.isComplete, other.isComplete]).toEqual([true, true]);
  });
});
