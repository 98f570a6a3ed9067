// Owns the formatter of the native sources: one pinned clang-format from PyPI in an ignored cache folder, so that
// every machine formats alike whatever its distribution ships.
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import path from "node:path";
import { runQuietly } from "./run-quietly.ts";

const ROOT = path.resolve(import.meta.dirname, "..");
const VERSION = "19.1.7";
const FOLDER = path.join(ROOT, ".cache", `clang-format-${VERSION}`);
const BINARY = path.join(FOLDER, "clang_format/data/bin/clang-format");

/** Every C++ and CUDA source below gpu-node/native, relative to the root. */
export async function nativeSources(): Promise<string[]> {
  const folder = path.join(ROOT, "gpu-node/native");
  const names = await readdir(folder, { recursive: true });
  return names
    .filter((name) => /\.(cc|h|cu)$/.test(name))
    .map((name) => path.join("gpu-node/native", name))
    .toSorted();
}

/** Path of the pinned clang-format, fetched on first use; undefined where pip cannot bring it. */
export async function findClangFormat(): Promise<string | undefined> {
  if (existsSync(BINARY)) return BINARY;
  const wheel = `clang-format==${VERSION}`;
  const args = ["-m", "pip", "install", "--quiet", "--no-deps", "--target", FOLDER, wheel];
  const { exitCode } = await runQuietly("python3", args);
  return exitCode === 0 && existsSync(BINARY) ? BINARY : undefined;
}
