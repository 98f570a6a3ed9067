import { readdirSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { ALL_FILES, ROOT, textOf } from "./source-tree.ts";

interface Row {
  readonly stage: string;
  readonly paths: readonly string[];
  readonly state: string;
}

/** Stages of DESIGN's table; a row may be split, none may be missing. */
const STAGES = [
  ...["E0", "E1", "E2", "E3", "E4", "E5", "E6"],
  ...["N0", "N1", "N2", "N3", "N4", "N5", "N6", "N7", "N8", "N9", "N10", "N11"],
];

function rowsOf(text: string): Row[] {
  const lines = text.split("\n").filter((line) => /^\| [EN]\d+ /.test(line));
  return lines.map((line) => {
    const cells = line.split("|").map((cell) => cell.trim());
    const paths = [...(cells[3] ?? "").matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? "");
    return { stage: cells[1] ?? "", paths, state: cells.at(-2) ?? "" };
  });
}

/** `<isa>` and `*` stand for one folder or part of a name. */
function hasMatch(pattern: string): boolean {
  const source = pattern
    .split(/<\w+>|\*/)
    .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"))
    .join("[^/]+");
  const wanted = new RegExp(`^${source}${pattern.endsWith("/") ? "" : "$"}`);
  return ALL_FILES.some((file) => wanted.test(file));
}

const rows = rowsOf(textOf("docs/architecture.md"));

describe("the way of a request", () => {
  it("has a row for every stage", () => {
    expect(STAGES.filter((stage) => !rows.some((row) => row.stage === stage))).toEqual([]);
  });

  it("gives every row a path and a known state", () => {
    const known = /^(built|planned: \S.*)$/;
    expect(rows.filter((row) => row.paths.length === 0 || !known.test(row.state))).toEqual([]);
  });

  it("finds a file for every built path", () => {
    const built = rows.filter((row) => row.state === "built").flatMap((row) => row.paths);
    expect(built.length).toBeGreaterThan(10);
    expect(built.filter((pattern) => !hasMatch(pattern))).toEqual([]);
  });

  it("finds none for a planned path", () => {
    const planned = rows.filter((row) => row.state !== "built").flatMap((row) => row.paths);
    expect(planned.filter(hasMatch)).toEqual([]);
  });

  it("calls no folder of the node's policy built that has no code", () => {
    const folders = readdirSync(path.join(ROOT, "gpu-node/src"), { withFileTypes: true });
    const empty = folders.filter(
      (entry) =>
        entry.isDirectory() &&
        !ALL_FILES.some((file) => file.startsWith(`gpu-node/src/${entry.name}/`)),
    );
    expect(empty.map((entry) => entry.name)).toEqual([]);
  });
});
