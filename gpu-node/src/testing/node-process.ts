// For tests: the fairlane-node command as a process of its own.
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { TINY_MODEL } from "./tiny-node.ts";

const COMMAND = fileURLToPath(new URL("../../bin/fairlane-node.mjs", import.meta.url));

export interface NodeProcessOptions {
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** A Node other than the one that runs the tests. */
  readonly execPath?: string;
  /** State and cache folder of an earlier process; kept by whoever gives it. */
  readonly folder?: string;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class NodeProcess implements AsyncDisposable {
  readonly folder: string;
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  stdout = "";
  stderr = "";
  readonly #ownsFolder: boolean;
  readonly #readyFile: string;

  constructor(options: NodeProcessOptions = {}) {
    this.#ownsFolder = options.folder === undefined;
    this.folder = options.folder ?? mkdtempSync(join(tmpdir(), "fairlane-process-"));
    this.#readyFile = join(this.folder, `ready-${process.hrtime.bigint()}.json`);
    const { flags = [], env = {}, execPath = process.execPath } = options;
    const fixed = ["--port", "0", "--threads", "1", "--isa", "generic", "--page-count", "64"];
    const own = ["--model", TINY_MODEL, "--ready-file", this.#readyFile];
    this.child = spawn(execPath, [COMMAND, ...fixed, ...own, ...flags], {
      env: { PATH: process.env["PATH"] ?? "", FAIRLANE_CACHE_DIR: this.folder, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.child.stdout?.on("data", (data) => (this.stdout += String(data)));
    this.child.stderr?.on("data", (data) => (this.stderr += String(data)));
    this.ended = new Promise((resolve) => {
      this.child.on("close", (code, signal) => resolve({ code, signal }));
    });
  }

  /** Base URL, once the node serves. */
  async url(): Promise<string> {
    const deadlineMs = performance.now() + 20_000;
    while (!existsSync(this.#readyFile)) {
      const isOver = this.child.exitCode !== null || performance.now() > deadlineMs;
      if (isOver) throw new Error(`the node did not start: ${this.stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const facts = JSON.parse(readFileSync(this.#readyFile, "utf8")) as { url: string };
    return facts.url;
  }

  /** Sends a signal and waits for the end. */
  async stop(signal: NodeJS.Signals): Promise<Ended> {
    this.child.kill(signal);
    return this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill("SIGKILL");
    await this.ended;
    if (this.#ownsFolder) rmSync(this.folder, { recursive: true, force: true });
  }
}
