import path from "node:path";
import { describe, expect, it } from "vitest";
import { ALL_FILES, filesEnding, textOf } from "./source-tree.ts";

const TOP_LEVEL = /^(apps|packages|gpu-node|migrations|test|docs|scripts|\.ci)\//;
/** Made on a developer's machine, so not in the tree. */
const MADE_LOCALLY = /^gpu-node\/build\//;

const documents = filesEnding(".md").filter((file) => !file.startsWith("test/golden/"));

/** A path of the tree as a document writes it: in backticks or as a link's target. */
function pathsIn(document: string): string[] {
  const text = textOf(document).replace(/```[\s\S]*?```/g, "");
  const quoted = [...text.matchAll(/`([^`\s]+)`/g)].map((match) => match[1] ?? "");
  const links = [...text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map((match) =>
    path.posix.join(path.posix.dirname(document), match[1] ?? ""),
  );
  return [...quoted, ...links].filter((name) => TOP_LEVEL.test(name) && !MADE_LOCALLY.test(name));
}

/** A workspace's README may write paths from its own folder. */
function existsFor(document: string, name: string): boolean {
  return exists(name) || exists(path.posix.join(path.posix.dirname(document), name));
}

function exists(name: string): boolean {
  const source = name.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replace(/\*\*|\*|<\w+>/g, "[^\\s]*");
  const wanted = new RegExp(`^${source}${name.endsWith("/") ? "" : "(/|$)"}`);
  return ALL_FILES.some((file) => wanted.test(file));
}

/** Rows of docs/architecture.md that are planned name files of the future. */
function isPlanned(document: string, name: string): boolean {
  if (document !== "docs/architecture.md") return false;
  const line = textOf(document)
    .split("\n")
    .find((text) => text.includes(`\`${name}\``));
  return line?.includes("| planned: ") === true;
}

describe("paths in documents", () => {
  it("reads the README and the documents", () => {
    expect(documents).toContain("README.md");
    expect(documents.flatMap(pathsIn).length).toBeGreaterThan(20);
  });

  it("names only files and folders that exist", () => {
    const lost = documents.flatMap((document) =>
      pathsIn(document)
        .filter((name) => !existsFor(document, name) && !isPlanned(document, name))
        .map((name) => `${document}: ${name}`),
    );
    expect(lost).toEqual([]);
  });
});
