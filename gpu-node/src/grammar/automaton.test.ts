import { describe, expect, it } from "vitest";
import { Automaton, DEAD } from "./automaton.ts";
import { GrammarLimitError } from "./grammar-nodes.ts";
import { exprs, type Expr, type Grammar } from "./expr.ts";

const { choice, codePoint, oneOf, optional, repeat, rule, sequence, text } = exprs;

function accepts(grammar: Grammar | Expr, input: string | Uint8Array): boolean {
  const automaton = new Automaton("kind" in grammar ? { root: grammar, rules: {} } : grammar);
  let state = automaton.start;
  for (const byte of Buffer.from(input)) state = automaton.next(state, byte);
  return automaton.isAccepting(state);
}

describe("Automaton", () => {
  it("follows sequences, choices and repetitions", () => {
    const expr = sequence(text("a"), choice(text("bc"), text("bd")), repeat(oneOf("0-9x"), 1, 3));
    for (const good of ["abc1", "abd0x9"]) expect(accepts(expr, good)).toBe(true);
    for (const bad of ["", "abc", "abe1", "abc1234", "abc1 "])
      expect(accepts(expr, bad)).toBe(false);
  });

  it("counts without writing the repetition out", () => {
    const automaton = new Automaton({ root: repeat(oneOf("a"), 3, 1_000_000), rules: {} });
    let state = automaton.start;
    for (let count = 1; count <= 10; count++) {
      state = automaton.next(state, 0x61);
      expect(automaton.isAccepting(state)).toBe(count >= 3);
    }
    expect(automaton.stateCount).toBe(10);
  });

  it("nests rules", () => {
    const grammar = {
      root: rule("list"),
      rules: { list: sequence(text("["), repeat(rule("list"), 0, null), text("]")) },
    };
    expect(accepts(grammar, "[[][[]]]")).toBe(true);
    expect(accepts(grammar, "[[][[]]")).toBe(false);
    expect(accepts(grammar, "[]]")).toBe(false);
  });

  it("knows when nothing can follow", () => {
    const automaton = new Automaton({ root: sequence(text("a"), optional(text("b"))), rules: {} });
    const afterA = automaton.next(automaton.start, 0x61);
    expect([automaton.isAccepting(afterA), automaton.isComplete(afterA)]).toEqual([true, false]);
    const afterB = automaton.next(afterA, 0x62);
    expect([automaton.isAccepting(afterB), automaton.isComplete(afterB)]).toEqual([true, true]);
    expect(automaton.next(afterB, 0x62)).toBe(DEAD);
  });

  it("takes exactly the code points of a range, in UTF-8", () => {
    const ranges = [
      [0x41, 0x43],
      [0x7e, 0x2ff],
      [0x7f0, 0x10_fffe],
    ] as const;
    const automaton = new Automaton({ root: codePoint(ranges), rules: {} });
    for (let code = 0; code <= 0x10_ffff; code += code < 0x3000 ? 1 : 97) {
      if (code >= 0xd800 && code <= 0xdfff) continue;
      let state = automaton.start;
      for (const byte of Buffer.from(String.fromCodePoint(code)))
        state = automaton.next(state, byte);
      const isIn = ranges.some(([first, last]) => code >= first && code <= last);
      expect(automaton.isAccepting(state), `U+${code.toString(16)}`).toBe(isIn);
    }
    // A surrogate half is no code point, and an overlong form no UTF-8.
    expect(accepts(codePoint(ranges), Uint8Array.of(0xed, 0xa0, 0x80))).toBe(false);
    expect(accepts(codePoint(ranges), Uint8Array.of(0xc1, 0x81))).toBe(false);
  });

  it("refuses a grammar that is too large, or that never comes to a byte", () => {
    const huge = choice(...Array.from({ length: 60_000 }, (_, i) => text(String(i))));
    expect(() => new Automaton({ root: huge, rules: {} })).toThrow(GrammarLimitError);
    const loop = { root: exprs.rule("a"), rules: { a: sequence(exprs.rule("a"), text("x")) } };
    expect(() => new Automaton(loop)).toThrow(GrammarLimitError);
  });

  it("leaves out what could be followed in too many ways", () => {
    // Two ways to open each level: the ways to go on double with every bracket.
    const list = sequence(text("["), choice(rule("list"), rule("other"), text("x")), text("]"));
    const other = sequence(text("["), choice(rule("list"), rule("other"), text("y")), text("]"));
    const automaton = new Automaton({ root: rule("list"), rules: { list, other } });
    let state = automaton.start;
    let depth = 0;
    for (; state !== DEAD && depth < 40; depth++) state = automaton.next(state, 0x5b);
    expect(depth).toBeGreaterThan(8);
    expect(depth).toBeLessThan(20);
  });
});
