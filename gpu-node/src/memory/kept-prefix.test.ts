import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { longestKeptPrefix } from "./kept-prefix.ts";

interface Group {
  readonly windowTokens: number | null;
  readonly kept: readonly boolean[];
}

const BLOCK_TOKENS = 4;
const longest = (groups: readonly Group[], blocksMax = 8) =>
  longestKeptPrefix(
    groups.map(({ windowTokens, kept }) => ({
      windowTokens,
      at: (block: number) => (kept[block] === true ? block : undefined),
    })),
    { blocksMax, blockTokens: BLOCK_TOKENS },
  );
const bits = (text: string): boolean[] => Array.from(text, (bit) => bit === "1");

/** The definition: all that a query at the next position sees is kept in every group. */
function serves({ windowTokens, kept }: Group, blockCount: number): boolean {
  const position = blockCount * BLOCK_TOKENS;
  return kept.slice(0, blockCount).every((isKept, block) => {
    const last = block * BLOCK_TOKENS + BLOCK_TOKENS - 1;
    return isKept || (windowTokens !== null && last <= position - windowTokens);
  });
}

describe("longestKeptPrefix", () => {
  it("needs every block without a window", () => {
    expect(longest([{ windowTokens: null, kept: bits("11011111") }])).toEqual({
      blockCount: 2,
      blocks: [[0, 1]],
    });
  });

  it("needs the last window's blocks with one", () => {
    expect(longest([{ windowTokens: 5, kept: bits("00011011") }])).toEqual({
      blockCount: 8,
      blocks: [[7]],
    });
    // A query at 32 sees 26 .. 32.
    expect(longest([{ windowTokens: 7, kept: bits("00011001") }]).blockCount).toBe(5);
  });

  it("serves the longest that all groups have", () => {
    const groups = [
      { windowTokens: null, kept: bits("11111100") },
      { windowTokens: 5, kept: bits("00110001") },
    ];
    expect(longest(groups)).toEqual({ blockCount: 4, blocks: [[0, 1, 2, 3], [3]] });
    expect(longest(groups, 3)).toEqual({ blockCount: 3, blocks: [[0, 1, 2], [2]] });
  });

  it("finds the longest that the definition allows, whatever is kept", () => {
    const group = fc.record({
      windowTokens: fc.constantFrom(null, 1, 2, 4, 5, 9, 40),
      kept: fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
    });
    fc.assert(
      fc.property(fc.array(group, { minLength: 1, maxLength: 3 }), (groups) => {
        const counts = [8, 7, 6, 5, 4, 3, 2, 1, 0];
        const expected = counts.find((count) => groups.every((one) => serves(one, count)));
        const { blockCount, blocks } = longest(groups);
        expect(blockCount).toBe(expected);
        for (const [index, needed] of blocks.entries()) {
          expect(needed).toEqual(needed.map((_, i) => blockCount - needed.length + i));
          expect(needed.every((block) => groups[index]?.kept[block])).toBe(true);
        }
      }),
    );
  });
});
