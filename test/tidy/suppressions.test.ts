import { describe, expect, it } from "vitest";
import { filesEnding, offences } from "./source-tree.ts";

const sources = filesEnding(".ts", ".mjs").filter((file) => !file.startsWith("test/tidy/"));

describe("suppressions and left-overs", () => {
  it("gives every lint suppression a rule and a reason after --", () => {
    const bare = /(?:oxlint|eslint)-disable(?!.*\s--\s\S)/;
    expect(sources.flatMap((file) => offences(file, bare))).toEqual([]);
  });

  it("suppresses no type error", () => {
    const directive = /@ts-(?:ignore|nocheck|expect-error)/;
    expect(sources.flatMap((file) => offences(file, directive))).toEqual([]);
  });

  it("leaves no task in a comment without its issue", () => {
    const files = [...sources, ...filesEnding(".cc", ".h", ".cu", ".py")];
    const open = /\b(?:TODO|FIXME|XXX)\b(?!.*issue \d+)/;
    expect(files.flatMap((file) => offences(file, open))).toEqual([]);
  });

  it("skips or singles out no test by hand", () => {
    const marked = /\b(?:it|test|describe)\.(?:skip|only|todo)\(/;
    expect(sources.flatMap((file) => offences(file, marked))).toEqual([]);
  });
});
