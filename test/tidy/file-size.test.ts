import { describe, expect, it } from "vitest";
import { filesEnding, isTest, textOf } from "./source-tree.ts";

const TYPESCRIPT_LINES_MAX = 300;
const NATIVE_LINES_MAX = 450;
const TEST_LINES_MAX = 500;

function linesMax(file: string): number {
  if (isTest(file)) return TEST_LINES_MAX;
  return /\.(cc|h|cu)$/.test(file) ? NATIVE_LINES_MAX : TYPESCRIPT_LINES_MAX;
}

describe("file size", () => {
  it("keeps every source file below its limit", () => {
    const tooLong = filesEnding(".ts", ".mjs", ".py", ".cc", ".h", ".cu")
      .map((file) => ({ file, lineCount: textOf(file).split("\n").length - 1 }))
      .filter(({ file, lineCount }) => lineCount > linesMax(file))
      .map(({ file, lineCount }) => `${file}: ${lineCount} lines, at most ${linesMax(file)}`);
    expect(tooLong).toEqual([]);
  });
});
