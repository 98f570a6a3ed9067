// Owns the start of one GPU node as a child process in a group of its own, for dev and end-to-end tests. The node
// says by its ready file when it serves; a node that dies before that fails the start with its last lines.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

const ROOT = path.resolve(import.meta.dirname, "..");
/** The first start may fetch the model: about 100 MB over a slow line. */
const READY_TIMEOUT_MS = 30 * 60_000;
const READY_POLL_MS = 25;
const STOP_TIMEOUT_MS = 40_000;
const TAIL_LINES_MAX = 20;

export interface NodeOptions {
  /** Flags of fairlane-node without --ready-file, e.g. ["--port", "0"]. */
  readonly flags: readonly string[];
  /** Variables besides those of this process, e.g. FAIRLANE_NODE_TOKEN. */
  readonly env: Readonly<Record<string, string>>;
  readonly onLogLine: (line: string) => void;
}

export interface RunningNode {
  readonly url: string;
  readonly pid: number;
  /** Settles when the process has ended, with a word on how. */
  readonly ended: Promise<string>;
  /** Drains (SIGTERM), or kills (SIGKILL), and waits for the end. */
  stop(signal: "SIGTERM" | "SIGKILL"): Promise<void>;
}

function readLines(child: ChildProcess, onLine: (line: string) => void): void {
  for (const stream of [child.stdout, child.stderr]) {
    if (stream) createInterface({ input: stream }).on("line", onLine);
  }
}

async function readReadyFile(file: string): Promise<string | undefined> {
  const text = await readFile(file, "utf8").catch(() => "");
  if (text === "") return undefined;
  const facts: unknown = JSON.parse(text);
  const known = typeof facts === "object" && facts !== null && "url" in facts;
  if (!known || typeof facts.url !== "string") throw new Error("the node's ready file has no url");
  return facts.url;
}

/** Starts a node and answers when it is ready. */
export async function startNode(options: NodeOptions): Promise<RunningNode> {
  const folder = await mkdtemp(path.join(tmpdir(), "fairlane-node-"));
  const readyFile = path.join(folder, "ready.json");
  const args = [
    path.join(ROOT, "gpu-node/src/main.ts"),
    ...options.flags,
    "--ready-file",
    readyFile,
  ];
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    detached: true,
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const tail: string[] = [];
  readLines(child, (line) => {
    tail.push(line);
    if (tail.length > TAIL_LINES_MAX) tail.shift();
    options.onLogLine(line);
  });
  const ended = once(child, "exit").then(([code, signal]) => String(signal ?? `exit code ${code}`));
  let endedWith: string | undefined;
  void ended.then((how) => (endedWith = how));
  const startedMs = Date.now();
  try {
    for (;;) {
      const url = await readReadyFile(readyFile);
      if (url !== undefined) return runningNode({ child, url, ended });
      if (endedWith !== undefined) {
        throw new Error(`the node ended with ${endedWith}:\n${tail.join("\n")}`);
      }
      if (Date.now() - startedMs > READY_TIMEOUT_MS)
        throw new Error("the node was not ready in time");
      await sleep(READY_POLL_MS);
    }
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function runningNode(parts: {
  readonly child: ChildProcess;
  readonly url: string;
  readonly ended: Promise<string>;
}): RunningNode {
  const { child, url, ended } = parts;
  const pid = child.pid;
  if (pid === undefined) throw new Error("the node has no process id");
  return {
    url,
    pid,
    ended,
    async stop(signal) {
      child.kill(signal);
      const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
      await ended;
      clearTimeout(timer);
    },
  };
}
