// Owns the run of one tool of the check or test commands: its output is kept and shown only when it fails, so that a
// passing run stays readable.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import path from "node:path";

const ROOT = path.resolve(import.meta.dirname, "..");
/** Lines of a tool's output that are kept; a linter run over a whole tree stays below it. */
const LOG_LINES_MAX = 2_000;

export interface ToolRun {
  readonly exitCode: number;
  /** Both streams, the last LOG_LINES_MAX lines. */
  readonly log: readonly string[];
}

/** Runs a program in the repository root and answers with its exit code and its output. */
export async function runQuietly(command: string, args: readonly string[]): Promise<ToolRun> {
  const child = spawn(command, args, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
  const log: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      log.push(line);
      if (log.length > LOG_LINES_MAX) log.shift();
    });
  }
  const exitCode = await new Promise<number>((resolve) => {
    child.on("error", (error) => {
      log.push(error.message);
      resolve(127);
    });
    child.on("close", (code) => resolve(code ?? 1));
  });
  return { exitCode, log };
}

/** True where a skipped check must fail: continuous integration. */
export function inCi(): boolean {
  const value = process.env["CI"] ?? "";
  return value !== "" && value !== "false" && value !== "0";
}
