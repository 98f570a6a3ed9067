import path from "node:path";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { ALL_FILES, filesEnding, isTest, textOf, withoutComments } from "./source-tree.ts";

const PURE = ["base", "protocol", "vtc", "ledger", "prompt-cache", "slo"];
/** What a workspace may import of ours. A workspace that is not listed fails the test until someone decides. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  "packages/base": [],
  "packages/protocol": ["base"],
  "packages/vtc": ["base", "protocol"],
  "packages/ledger": ["base", "protocol"],
  "packages/prompt-cache": ["base", "protocol"],
  "packages/slo": ["base", "protocol"],
  "packages/db": PURE,
  "packages/testkit": [...PURE, "db"],
  "apps/edge": [...PURE, "db"],
  "apps/hub": [...PURE, "db"],
  "gpu-node": PURE,
};
const TESTS_MAY_ADD = "testkit";

/** Native layers from the top down: a file includes its own layer or a lower one. */
const NATIVE_LAYERS: Readonly<Record<string, readonly string[]>> = {
  binding: ["binding", "core", "ops"],
  core: ["core", "ops"],
  ops: ["ops"],
  cpu: ["cpu", "ops"],
  cuda: ["cuda", "ops"],
};

const manifest = z.object({
  dependencies: z.record(z.string(), z.string()).default({}),
});

interface Import {
  readonly file: string;
  readonly target: string;
}

function workspaceOf(file: string): string {
  const [first = "", second = ""] = file.split("/");
  if (first === "packages" || first === "apps") return `${first}/${second}`;
  return first;
}

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\b[^;"']*?from\s+"([^"]+)"|\bimport\(\s*"([^"]+)"\s*\)|(?:^|\n)import "([^"]+)"/g;

function importsOf(file: string): Import[] {
  const text = withoutComments(textOf(file));
  return [...text.matchAll(IMPORT)].map((match) => ({
    file,
    target: match[1] ?? match[2] ?? match[3] ?? "",
  }));
}

const typescript = filesEnding(".ts");
const imports = typescript.flatMap(importsOf);
const workspaces = [...new Set(typescript.map(workspaceOf))].filter((name) =>
  ALL_FILES.includes(`${name}/package.json`),
);

function show({ file, target }: Import): string {
  return `${file} -> ${target}`;
}

describe("dependency direction", () => {
  it("reads the imports of every workspace", () => {
    expect(workspaces).toContain("packages/protocol");
    expect(imports.length).toBeGreaterThan(100);
  });

  it("lets packages, apps and the node import only what lies below them", () => {
    const offending = imports.filter(({ file, target }) => {
      const workspace = workspaceOf(file);
      if (!workspaces.includes(workspace) || !target.startsWith("@fairlane/")) return false;
      const name = target.slice("@fairlane/".length);
      const allowed = ALLOWED[workspace] ?? [];
      return !allowed.includes(name) && !(isTest(file) && name === TESTS_MAY_ADD);
    });
    expect(offending.map(show)).toEqual([]);
  });

  it("crosses a workspace's border by package name only", () => {
    const offending = imports.filter(({ file, target }) => {
      if (!target.startsWith(".")) return false;
      const from = workspaceOf(file);
      const to = workspaceOf(path.posix.join(path.posix.dirname(file), target));
      return workspaces.includes(from) && from !== to;
    });
    expect(offending.map(show)).toEqual([]);
  });

  it("names the file of every relative import, as Node's type stripping needs", () => {
    const offending = imports.filter(
      ({ target }) => target.startsWith(".") && !/\.(ts|mjs|json)$/.test(target),
    );
    expect(offending.map(show)).toEqual([]);
  });

  it("enters a package through its index only", () => {
    expect(imports.filter(({ target }) => /^@fairlane\/[^/]+\//.test(target)).map(show)).toEqual(
      [],
    );
  });

  it("imports every package that a workspace declares", () => {
    const offending = workspaces.flatMap((workspace) => {
      const declared = manifest.parse(JSON.parse(textOf(`${workspace}/package.json`))).dependencies;
      const imported = imports.filter(({ file }) => workspaceOf(file) === workspace);
      return Object.keys(declared)
        .filter((name) => !imported.some(({ target }) => `${target}/`.startsWith(`${name}/`)))
        .map((name) => `${workspace}: ${name}`);
    });
    expect(offending).toEqual([]);
  });

  it("declares every package that a workspace's product code imports", () => {
    const offending = imports.filter(({ file, target }) => {
      const workspace = workspaceOf(file);
      if (!workspaces.includes(workspace) || isTest(file) || file.includes("/testing/"))
        return false;
      if (/^(\.|node:|cloudflare:)/.test(target) || target === "@cloudflare/workers-types")
        return false;
      if (/\/(test|testing)\//.test(file)) return false;
      const [scope = "", name = ""] = target.split("/");
      const dependency = scope.startsWith("@") ? `${scope}/${name}` : scope;
      const declared = manifest.parse(JSON.parse(textOf(`${workspace}/package.json`))).dependencies;
      return declared[dependency] === undefined;
    });
    expect(offending.map(show)).toEqual([]);
  });
});

describe("native layers", () => {
  it("includes only downward, and Node-API only in binding", () => {
    const sources = filesEnding(".cc", ".h", ".cu").filter((file) => !isTest(file));
    const offending = sources.flatMap((file) => {
      const layer = /^gpu-node\/native\/(\w+)\//.exec(file)?.[1];
      const allowed = layer === undefined ? undefined : NATIVE_LAYERS[layer];
      if (!allowed) return [];
      const headers = [...textOf(file).matchAll(/^#include ["<]([^">]+)[">]/gm)].map(
        (m) => m[1] ?? "",
      );
      return headers
        .filter((header) => {
          const top = header.split("/")[0] ?? "";
          const isUpward = top in NATIVE_LAYERS && !allowed.includes(top);
          return isUpward || (/^(node_api|napi)/.test(header) && layer !== "binding");
        })
        .map((header) => `${file} -> ${header}`);
    });
    expect(offending).toEqual([]);
  });
});
