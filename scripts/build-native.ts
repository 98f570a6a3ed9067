// Owns the build of the native core by plain CMake: configured once, built only when a source changed since the
// last success, with a progress bar, and with the end of the log when it fails.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { availableParallelism } from "node:os";
import { onPath } from "./on-path.ts";

const ROOT = path.resolve(import.meta.dirname, "..");
const SOURCE_DIR = path.join(ROOT, "gpu-node");
const BUILD_DIR = path.join(SOURCE_DIR, "build");
const STAMP = path.join(BUILD_DIR, ".fairlane-built");
const LOG_LINES_SHOWN = 40;
const BAR_CHARS = 30;

async function sourceHash(): Promise<string> {
  const native = path.join(SOURCE_DIR, "native");
  const names = (await readdir(native, { recursive: true })).toSorted();
  const hash = createHash("sha256").update(process.arch);
  for (const file of [
    path.join(SOURCE_DIR, "CMakeLists.txt"),
    ...names.map((n) => path.join(native, n)),
  ]) {
    if (!/\.(cc|h|cu|txt)$/.test(file)) continue;
    hash.update(path.relative(SOURCE_DIR, file)).update(await readFile(file));
  }
  return hash.digest("hex");
}

/** Draws `[#####     ] 42 %` on a terminal; prints a line every tenth elsewhere. */
function progressBar(label: string): { update(percent: number): void; end(): void } {
  let shown = -1;
  return {
    update(percent) {
      if (percent <= shown) return;
      if (process.stderr.isTTY) {
        const filled = Math.round((percent / 100) * BAR_CHARS);
        const bar = "#".repeat(filled).padEnd(BAR_CHARS);
        process.stderr.write(`\r${label} [${bar}] ${percent} %`);
      } else if (Math.floor(percent / 10) > Math.floor(shown / 10)) {
        process.stderr.write(`${label}: ${percent} %\n`);
      }
      shown = percent;
    },
    end() {
      if (process.stderr.isTTY && shown >= 0) process.stderr.write("\n");
    },
  };
}

/** Percent done from a line of Ninja (`[12/40] ...`) or Make (`[ 42%] ...`). */
function percentOf(line: string): number | undefined {
  const ninja = /^\[(\d+)\/(\d+)\]/.exec(line);
  if (ninja) return Math.floor((100 * Number(ninja[1])) / Number(ninja[2]));
  const make = /^\[\s*(\d+)%\]/.exec(line);
  return make ? Number(make[1]) : undefined;
}

async function run(args: readonly string[], onLine: (line: string) => void): Promise<void> {
  const child = spawn("cmake", args, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
  const log: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      log.push(line);
      if (log.length > LOG_LINES_SHOWN) log.shift();
      onLine(line);
    });
  }
  const code = await new Promise<number>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (exitCode) => resolve(exitCode ?? 1));
  });
  if (code === 0) return;
  process.stderr.write(`\n${log.join("\n")}\n`);
  throw new Error(
    `the native build failed (cmake ${args[0]}); the lines above are the end of its log.`,
  );
}

/** Builds one target more of a built core: tests, benches. */
export async function buildNativeTarget(target: string): Promise<void> {
  const jobs = String(availableParallelism());
  await run(["--build", BUILD_DIR, "--target", target, "--parallel", jobs], () => undefined);
}

/** Builds gpu-node/build when it is stale. @returns true when something was built */
export async function buildNative(): Promise<boolean> {
  const hash = await sourceHash();
  const done = existsSync(STAMP) && (await readFile(STAMP, "utf8")) === hash;
  if (done && existsSync(path.join(BUILD_DIR, "addon.node"))) return false;
  await mkdir(BUILD_DIR, { recursive: true });
  const bar = progressBar("building the native core");
  bar.update(0);
  const fresh = !existsSync(path.join(BUILD_DIR, "CMakeCache.txt"));
  const generator = fresh && onPath("ninja") ? ["-G", "Ninja"] : [];
  await run(["-S", SOURCE_DIR, "-B", BUILD_DIR, ...generator], () => undefined);
  const jobs = String(availableParallelism());
  await run(["--build", BUILD_DIR, "--parallel", jobs], (line) => {
    const percent = percentOf(line);
    if (percent !== undefined) bar.update(percent);
  });
  bar.end();
  await writeFile(STAMP, hash);
  return true;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const built = await buildNative();
  process.stderr.write(built ? "native core built\n" : "native core is up to date\n");
}
