// Owns the process of a node: configuration from flags and environment, the model, signals, the ready file and what is
// printed. Crash-only: a broken invariant or an unwritable journal ends the process, and the next start closes in the
// journal what was left open.
import { rename, rm, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { AppError } from "@fairlane/protocol";
import { AssertionError } from "@fairlane/base";
import { ConfigError, helpText, parseConfig, type NodeConfig } from "./config.ts";
import { kernelTable } from "./engine/kernel-table.ts";
import { formatBytes } from "./fleet/byte-size.ts";
import { freeMemoryBytes } from "./fleet/free-memory.ts";
import { openModelOnDisk } from "./fleet/model-on-disk.ts";
import { faultFields, makeLog, type Log } from "./log.ts";
import { cacheFolder } from "./model/cache-folder.ts";
import { FetchError } from "./model/fetch-error.ts";
import { fetchModel } from "./model/fetch-model.ts";
import { progressBar } from "./model/progress-bar.ts";
import { stepBudgetLine } from "./scheduler/step-budget-facts.ts";
import { startNode, type RunningNode } from "./start-node.ts";

/** The same Ctrl-C may arrive twice, from the terminal and from a wrapper such as npm; a later one is meant. */
const SIGNAL_ECHO_MS = 500;
const EXIT_CODE_OF_SIGNAL = { SIGINT: 130, SIGTERM: 143 } as const;
const EXIT_CODE_CONFIG = 2;

const clock = { nowMs: () => Date.now() };
const random = { fill: (bytes: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(bytes) };
const log = makeLog({
  write: (line) => process.stderr.write(`${line}\n`),
  form: process.stderr.isTTY ? "text" : "json",
  nowMs: clock.nowMs,
});

await main();

async function main(): Promise<void> {
  // A reader of the log that goes away must not take the node with it.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  process.on("uncaughtException", (error) => endOnFault(error));
  const config = readConfig();
  if (!config) return;
  if (config.printsKernels) return printKernels(config);
  const start = new AbortController();
  const stopping = watchSignals(start);
  // One of an earlier run would tell its reader that this one is ready.
  if (config.readyFile !== undefined) await rm(config.readyFile, { force: true });
  let node: RunningNode;
  try {
    node = await startNode({ ...partsOf(config, start.signal), log });
  } catch (error) {
    if (start.signal.aborted) process.exit(Number(start.signal.reason));
    process.stderr.write(`fairlane-node: ${startError(error)}\n`);
    process.exit(1);
  }
  warnOpenNode(config, log);
  printFacts(node);
  if (config.readyFile !== undefined) await writeReadyFile(config.readyFile, node);
  stopping.running(node);
}

function printKernels(config: NodeConfig): void {
  try {
    process.stdout.write(kernelTable(config));
  } catch (error) {
    process.stderr.write(`fairlane-node: ${startError(error)}\n`);
    process.exitCode = 1;
  }
}

function readConfig(): NodeConfig | undefined {
  try {
    const config = parseConfig(process.argv.slice(2), process.env);
    if (config !== "help") return config;
    process.stdout.write(helpText());
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`fairlane-node: ${error.message}\n`);
    process.exitCode = EXIT_CODE_CONFIG;
  }
  return undefined;
}

function partsOf(config: NodeConfig, signal: AbortSignal) {
  const cache = cacheFolder(process.env);
  const openModel = async () => {
    const path = await fetchModel(config.model ?? "default", {
      cacheFolder: cache,
      env: process.env,
      onProgress: progressBar(process.stderr, { nowMs: () => performance.now() }),
      onNotice: (text) => process.stderr.write(`${text}\n`),
      signal,
    });
    signal.throwIfAborted();
    return openModelOnDisk(path, cache);
  };
  const machine = {
    coreCount: availableParallelism(),
    availableBytes: freeMemoryBytes() ?? process.availableMemory(),
  };
  return { config, clock, random, machine, openModel };
}

/** First signal: drain. A later one: at once. During the start: stop the start. */
function watchSignals(start: AbortController): { running(node: RunningNode): void } {
  let node: RunningNode | undefined;
  let firstSignalMs: number | undefined;
  const stop = (exitCode: number): void => {
    const nowMs = clock.nowMs();
    if (firstSignalMs !== undefined) {
      if (nowMs - firstSignalMs > SIGNAL_ECHO_MS) process.exit(exitCode);
      return;
    }
    firstSignalMs = nowMs;
    start.abort(exitCode);
    void node?.drain().then(() => process.exit(0));
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => stop(EXIT_CODE_OF_SIGNAL[signal]));
  }
  // A starter that keeps a channel to this process has died.
  process.on("disconnect", () => stop(EXIT_CODE_OF_SIGNAL.SIGTERM));
  return {
    running: (started) => {
      node = started;
      if (firstSignalMs !== undefined) void node.drain().then(() => process.exit(0));
    },
  };
}

function warnOpenNode({ host, apiKey }: NodeConfig, warnLog: Log): void {
  if (apiKey !== undefined || /^(127\.|::1$|localhost$)/.test(host)) return;
  const hint = "set FAIRLANE_NODE_API_KEY, or bind the loopback interface";
  warnLog.warn("api_open_to_the_network", { host, hint });
}

function printFacts({ url, model, info, stepBudget }: RunningNode): void {
  const { backend, numericsClass, threadCount, pageCount, pageTokens, pageBytes } = info;
  const poolSize = formatBytes(pageCount * pageBytes);
  const lines = [
    `fairlane-node serves ${model.id} at ${url}`,
    `  backend   ${backend}, ${threadCount} threads`,
    `  numerics  ${numericsClass}`,
    `  pages     ${pageCount} of ${pageTokens} tokens, ${poolSize}; ${model.contextTokens} tokens a request`,
  ];
  if (stepBudget !== null) lines.push(`  steps     ${stepBudgetLine(stepBudget)}`);
  process.stdout.write(`${lines.join("\n")}\n`);
}

/** Whole or not at all: a reader that sees the file can parse it. */
async function writeReadyFile(path: string, { url, model, info }: RunningNode): Promise<void> {
  const { backend, numericsClass, pageCount } = info;
  const facts = { url, pid: process.pid, model: model.id, backend, numericsClass, pageCount };
  const temporary = `${path}.${process.pid}.tmp`;
  await writeFile(temporary, `${JSON.stringify(facts)}\n`);
  await rename(temporary, path);
}

function startError(error: unknown): string {
  if (error instanceof FetchError) return error.message;
  return error instanceof Error ? error.message : String(error);
}

function endOnFault(error: unknown): never {
  // Own assertions and SQLite name no prompt; messages of other errors could.
  const isOwn = error instanceof AssertionError || error instanceof AppError;
  const isStorage = error instanceof Error && error.name === "SqliteError";
  const message = error instanceof Error && (isOwn || isStorage) ? error.message : undefined;
  log.error("node_fault", { ...faultFields(error), message });
  process.exit(1);
}
