// Owns `npm run test:long`: the full form of the tests that `npm test` runs reduced. Random ones begin with new seeds,
// which a failure names. `npm run test:long -- FILTER` runs the files that match only.
import { spawn } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { buildNative } from "./build-native.ts";

const ROOT = path.resolve(import.meta.dirname, "..");
const TEST_FILES = "{packages,gpu-node,test}/**/*.test.ts";
/** A test without a bound of its own. */
const TEST_TIMEOUT_MS = 1_800_000;

function runVitest(files: readonly string[]): Promise<number> {
  const projects = ["--project", "unit", "--project", "e2e"];
  const args = ["run", ...projects, `--testTimeout=${TEST_TIMEOUT_MS}`, ...files];
  const env = { ...process.env, FAIRLANE_LONG_RUN: "1" };
  const child = spawn("vitest", args, { cwd: ROOT, stdio: "inherit", env });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? 1));
  });
}

/** Files with a long form: those that ask testkit's isLongRun. */
function longTests(): string[] {
  const exclude = (name: string): boolean => name === "node_modules";
  return globSync(TEST_FILES, { cwd: ROOT, exclude }).filter((file) =>
    readFileSync(path.join(ROOT, file), "utf8").includes("isLongRun()"),
  );
}

const filters = process.argv.slice(2);
try {
  const all = longTests();
  const chosen = all.filter(
    (file) => filters.length === 0 || filters.some((filter) => file.includes(filter)),
  );
  if (chosen.length === 0) throw new Error(`no long test matches; there are ${all.join(", ")}`);
  await buildNative();
  process.exitCode = await runVitest(chosen);
} catch (error) {
  process.stderr.write(`test:long: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
