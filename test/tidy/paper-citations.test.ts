import { describe, expect, it } from "vitest";
import { ALL_FILES, filesEnding, isTest, textOf } from "./source-tree.ts";

// A citation is `[Paper-Name]` followed by where in it: "Alg. 3", "sec. 5", "eq. 2", or a sentence about it.
const CITATION =
  /\[([A-Z][A-Za-z0-9]*(?:-[A-Z][A-Za-z0-9]*)*)\] (?:Alg\.|[Ss]ec\.|[Ee]q\.|Fig\.|[A-Z][a-z])/g;

function commentLines(file: string): string {
  return textOf(file)
    .split("\n")
    .filter((line) => /^\s*(\/\/|\/?\*)/.test(line))
    .join("\n");
}

function citedIn(file: string): string[] {
  return [...commentLines(file).matchAll(CITATION)].map((match) => match[1] ?? "");
}

const sources = filesEnding(".ts", ".cc", ".h", ".cu").filter((file) => !isTest(file));
const papers = textOf("docs/papers.md");

describe("paper citations", () => {
  it("lists every cited source in docs/papers.md", () => {
    const missing = sources.flatMap((file) =>
      citedIn(file)
        .filter((tag) => !papers.includes(`[${tag}]`))
        .map((tag) => `${file}: [${tag}]`),
    );
    expect(missing).toEqual([]);
  });

  it("lists no source that nothing cites", () => {
    const listed = [...papers.matchAll(/^\| \[([\w-]+)\]/gm)].map((match) => match[1] ?? "");
    const cited = new Set(sources.flatMap(citedIn));
    expect(listed.length).toBeGreaterThan(0);
    expect(listed.filter((tag) => !cited.has(tag))).toEqual([]);
  });

  it("points at files that exist", () => {
    const paths = [...papers.matchAll(/`([\w./-]+\.(?:ts|cc|h|cu))`/g)].map(
      (match) => match[1] ?? "",
    );
    expect(paths.filter((file) => !ALL_FILES.includes(file))).toEqual([]);
  });
});
