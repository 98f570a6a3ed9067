import { describe, expect, it } from "vitest";
import { ALL_FILES, textOf } from "./source-tree.ts";

const PAGE = "docs/invariants.md";
const ROW = /^\| ([\w-]+)\s*\| .+? \| `([^`]+)`\s*\| (.+?)\s*\|$/gm;

const rows = [...textOf(PAGE).matchAll(ROW)].map(([, row = "", file = "", test = ""]) => {
  return { row, file, test };
});

describe("docs/invariants.md", () => {
  it("names tests that exist, in files that exist", () => {
    const lines = textOf(PAGE).split("\n");
    expect(rows).toHaveLength(lines.filter((line) => line.includes(".test.ts`")).length);
    const missing = rows.flatMap(({ row, file, test }) => {
      if (!ALL_FILES.includes(file)) return [`${row}: ${file}`];
      // A name may go on with the values of a table.
      return textOf(file).includes(`"${test}`) ? [] : [`${row}: ${file}: ${test}`];
    });
    expect(missing).toEqual([]);
  });

  it("has a row for every batch invariant and every assertion of the prompt cache that applies", () => {
    const named = new Set(rows.map(({ row }) => row));
    const wanted = "i ii iii iv v vi vii 1 2 3 4 7 9 15 16 18 22 23 25".split(" ");
    expect(wanted.filter((row) => !named.has(row))).toEqual([]);
  });

  it("has a row for every test of billing", () => {
    const named = new Set(rows.map(({ row }) => row));
    const wanted = Array.from({ length: 14 }, (_, index) => `B${index + 1}`);
    expect(wanted.filter((row) => !named.has(row))).toEqual([]);
  });

  it("has a row for every edge case, property and workload of fairness", () => {
    const named = new Set(rows.map(({ row }) => row));
    const numbered = (letter: string, count: number): string[] =>
      Array.from({ length: count }, (_, index) => `${letter}${index + 1}`);
    const wanted = [...numbered("E", 21), ...numbered("P", 17), ...numbered("W", 24)];
    expect(wanted.filter((row) => !named.has(row))).toEqual([]);
  });
});
