import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mergeSymbols, type RankOf } from "./merge-symbols.ts";

const ranks = (...merged: string[]): RankOf => {
  const rankOf = new Map(merged.map((piece, rank) => [piece, rank]));
  return (left, right) => rankOf.get(left + right);
};

/** The definition: again and again the best pair, the leftmost of equal ones. */
function slowly(symbols: readonly string[], rankOf: RankOf): string[] {
  const left = [...symbols];
  for (;;) {
    let best = -1;
    let bestRank = Number.POSITIVE_INFINITY;
    for (let index = 0; index + 1 < left.length; index++) {
      const rank = rankOf(left[index] ?? "", left[index + 1] ?? "");
      if (rank === undefined || rank >= bestRank) continue;
      best = index;
      bestRank = rank;
    }
    if (best < 0) return left;
    left.splice(best, 2, `${left[best]}${left[best + 1]}`);
  }
}

describe("mergeSymbols", () => {
  it("merges the best pair first, not the first pair", () => {
    expect(mergeSymbols(["a", "b", "c"], ranks("bc", "ab"))).toEqual(["a", "bc"]);
    expect(mergeSymbols(["a", "b", "c"], ranks("ab", "bc", "abc"))).toEqual(["abc"]);
  });

  it("takes the leftmost of equal pairs", () => {
    expect(mergeSymbols(["a", "a", "a"], ranks("aa"))).toEqual(["aa", "a"]);
  });

  it("leaves what nothing merges", () => {
    expect(mergeSymbols([], ranks("aa"))).toEqual([]);
    expect(mergeSymbols(["x", "y"], ranks("aa"))).toEqual(["x", "y"]);
  });

  it("does what the definition says, on any symbols and ranks", () => {
    const piece = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 2, maxLength: 5 });
    const symbols = fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 24 });
    fc.assert(
      fc.property(fc.uniqueArray(piece, { maxLength: 20 }), symbols, (pieces, given) => {
        const rankOf = ranks(...pieces);
        expect(mergeSymbols(given, rankOf)).toEqual(slowly(given, rankOf));
      }),
    );
  });
});
