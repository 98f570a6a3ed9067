// Owns running a short-lived helper program: its time is bounded, its error output is kept within bounds, it is
// stopped with its starter, and its failure is one sentence.
import { spawn, type ChildProcess } from "node:child_process";
import type { Readable } from "node:stream";
import { FetchError } from "./fetch-error.ts";
import { CHILD_ERROR_BYTES_MAX } from "./limits.ts";

export interface ChildOptions {
  readonly command: string;
  readonly arguments: readonly string[];
  /** The folder it runs in. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Takes the program's output; without it the output is dropped. Its failure stops the program. */
  readonly onOutput?: (output: Readable) => Promise<void>;
}

/** Runs the program to its end. Throws FetchError when it cannot start, fails, or takes too long. */
export async function runChild(options: ChildOptions): Promise<void> {
  const { command, signal, timeoutMs } = options;
  signal?.throwIfAborted();
  const timeout = AbortSignal.timeout(timeoutMs);
  const child = spawn(command, [...options.arguments], {
    cwd: options.folder,
    env: { ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
    signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    killSignal: "SIGKILL",
  });
  const errors = collectErrors(child);
  const ended = endOf(child);
  // Handled below; an output that fails first must not leave this rejection unheard.
  ended.catch(() => undefined);
  try {
    if (options.onOutput) await options.onOutput(child.stdout);
    else child.stdout.resume();
  } catch (thrown) {
    child.kill("SIGKILL");
    await ended.catch(() => undefined);
    throw thrown;
  }
  let code: number | null;
  try {
    code = await ended;
  } catch (thrown) {
    signal?.throwIfAborted();
    if (timeout.aborted) throw new FetchError(`${command} took longer than ${timeoutMs / 1000} s`);
    if (isNotFound(thrown)) throw new FetchError(`${command} is not installed`);
    throw thrown;
  }
  if (code !== 0) throw new FetchError(`${command} failed: ${lastWords(errors())}`);
}

function endOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code));
  });
}

function collectErrors(child: ChildProcess): () => string {
  let text = "";
  child.stderr?.setEncoding("utf8");
  child.stderr?.on("data", (chunk: string) => {
    text = (text + chunk).slice(-CHILD_ERROR_BYTES_MAX);
  });
  return () => text;
}

/** The line that says what is wrong: the last that is marked as an error, else the last one. */
function lastWords(errors: string): string {
  const lines = errors.split("\n").filter((line) => line.trim() !== "");
  const marked = lines.findLast((line) => /^\s*(ERROR|\w*Error)\b/.test(line));
  return (marked ?? lines.at(-1) ?? "it said nothing").trim();
}

function isNotFound(thrown: unknown): boolean {
  return thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT";
}
