import path from "node:path";
import { describe, expect, it } from "vitest";
import { ALL_FILES, filesEnding, isTest, textOf } from "./source-tree.ts";

const RUNTIME_EXPORTS_MAX = 5;
const OPENING_LINES_MAX = 6;
const CATCH_ALL = /^(utils?|helpers?|common|misc|manager|service)$/;

/** Comment lines at the top of a file, after a shebang line. */
function openingLines(file: string): number {
  const lines = textOf(file).split("\n");
  const start = lines[0]?.startsWith("#!") === true ? 1 : 0;
  let count = 0;
  while (/^(\/\/|#)/.test(lines[start + count] ?? "")) count += 1;
  return count;
}

function runtimeExports(file: string): number {
  const text = textOf(file);
  const declared =
    text.match(/^export (?:async )?(?:const|let|function\*?|class|default)\b/gm) ?? [];
  const lists = [...text.matchAll(/^export \{([^}]*)\}/gm)].flatMap((match) =>
    (match[1] ?? "").split(",").filter((name) => name.trim() !== "" && !/^\s*type\b/.test(name)),
  );
  return declared.length + lists.length;
}

/** Entry lists, bounds and the columns of a buffer are one concept, however long the list. */
function isList(file: string): boolean {
  return /(^|\/)(index|limits|step-layout)\.ts$|-limits\.ts$/.test(file);
}

/** What only tests import may hand them many small things. */
function isTestSupport(file: string): boolean {
  return /\/(test|testing)\//.test(file);
}

const sources = filesEnding(".ts", ".mjs").filter(
  (file) => !isTest(file) && !file.endsWith(".d.ts") && !file.endsWith(".config.ts"),
);

describe("file shape", () => {
  it("opens every source file with a few lines on what it owns", () => {
    const native = filesEnding(".cc", ".h", ".cu").filter((file) => !isTest(file));
    const offending = [...sources, ...native]
      .filter((file) => !file.endsWith("/index.ts") && openingLines(file) === 0)
      .map((file) => `${file}: no opening comment`);
    expect(offending).toEqual([]);
  });

  it("keeps the opening of TypeScript files short", () => {
    const offending = sources
      .filter((file) => openingLines(file) > OPENING_LINES_MAX)
      .map((file) => `${file}: ${openingLines(file)} lines, at most ${OPENING_LINES_MAX}`);
    expect(offending).toEqual([]);
  });

  it("gives a file at most five runtime exports", () => {
    const offending = sources
      .filter((file) => !isList(file) && !isTestSupport(file))
      .filter((file) => runtimeExports(file) > RUNTIME_EXPORTS_MAX)
      .map((file) => `${file}: ${runtimeExports(file)} runtime exports`);
    expect(offending).toEqual([]);
  });

  it("names no file for being useful", () => {
    const offending = ALL_FILES.filter((file) => {
      const stem = path.basename(file).split(".")[0] ?? "";
      return stem.split(/[-_]/).some((word) => CATCH_ALL.test(word)) && !file.startsWith("docs/");
    });
    expect(offending).toEqual([]);
  });

  it("spells TypeScript files in kebab-case and C++ files in snake_case", () => {
    const wrongTs = filesEnding(".ts").filter((file) => !/^[a-z0-9.-]+$/.test(path.basename(file)));
    const wrongNative = filesEnding(".cc", ".h", ".cu").filter(
      (file) => !/^[a-z0-9_]+\.(cc|h|cu)$/.test(path.basename(file)),
    );
    expect([...wrongTs, ...wrongNative]).toEqual([]);
  });
});
