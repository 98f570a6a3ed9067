import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StopMatcher } from "./stop-matcher.ts";

/** What comes out for each piece, and of the flush unless a stop was found. */
function outputs(stops: readonly string[], pieces: readonly string[]): string[] {
  const matcher = new StopMatcher(stops);
  const out = pieces.map((piece) => matcher.push(piece));
  return matcher.isStopped ? [...out, "(stop)"] : [...out, matcher.flush()];
}

/** Character by character: the first stop string that the text so far ends with, the longest of several. */
function naive(stops: readonly string[], text: string): string {
  for (let end = 1; end <= text.length; end++) {
    const found = stops.filter((stop) => text.slice(0, end).endsWith(stop));
    if (found.length === 0) continue;
    return text.slice(0, end - Math.max(...found.map((stop) => stop.length)));
  }
  return text;
}

describe("StopMatcher", () => {
  it("lets everything through without stop strings", () => {
    expect(outputs([], ["a", "b"])).toEqual(["a", "b", ""]);
  });

  it("gives the text before the stop string and nothing of or after it", () => {
    expect(outputs(["###"], ["one ", "two###three"])).toEqual(["one ", "two", "(stop)"]);
  });

  it("holds back what may begin a stop string until it is decided", () => {
    expect(outputs(["###"], ["a#", "#b", "c##", "#"])).toEqual(["a", "##b", "c", "", "(stop)"]);
    expect(outputs(["END"], ["the E", "N"])).toEqual(["the ", "", "EN"]);
  });

  it("goes back to a later beginning when an earlier one fails", () => {
    expect(outputs(["aab"], ["a", "a", "a", "b"])).toEqual(["", "", "a", "", "(stop)"]);
  });

  it("takes the stop string that is complete first, and of two at once the longer", () => {
    expect(outputs(["abcd", "bc"], ["abcd"])).toEqual(["a", "(stop)"]);
    expect(outputs(["c", "abc"], ["xabc"])).toEqual(["x", "(stop)"]);
  });

  it("tells which stop string it was", () => {
    const matcher = new StopMatcher(["c", "abc"]);
    expect(matcher.stoppedBy).toBeNull();
    matcher.push("xab");
    expect(matcher.stoppedBy).toBeNull();
    matcher.push("c");
    expect(matcher.stoppedBy).toBe("abc");
  });

  it("finds characters of several bytes and units", () => {
    expect(outputs(["😀é"], ["a😀", "é!"])).toEqual(["a", "", "(stop)"]);
    expect(outputs(["😀é"], ["a😀", "e"])).toEqual(["a", "😀e", ""]);
  });

  it("gives, however the text is cut, what a naive search of the whole text gives", () => {
    const letters = (lengths: { minLength: number; maxLength: number }) =>
      fc.string({ ...lengths, unit: fc.constantFrom("a", "b", "é", "😀") });
    const stops = fc.array(letters({ minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 4 });
    const pieces = fc.array(letters({ minLength: 0, maxLength: 4 }), { maxLength: 12 });
    fc.assert(
      fc.property(stops, pieces, (all, cut) => {
        const matcher = new StopMatcher(all);
        const before = naive(all, cut.join(""));
        let out = "";
        for (const piece of cut) {
          out += matcher.push(piece);
          expect(before.startsWith(out)).toBe(true);
        }
        expect(matcher.isStopped ? out : out + matcher.flush()).toBe(before);
      }),
      { numRuns: 500 },
    );
  });
});
