// Owns the two sides of the CPU benches as processes: our engine (native/bench/engine_bench.cc, through its C ABI) and
// the peer (peer/llama_peer.py), on the default model, and the peer on its best format; and the host's limits, measured
// in the same run. Where the peer lies is bench-setup's (scripts/bench-setup.ts).
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { availableParallelism } from "node:os";
import { promisify } from "node:util";
import { z } from "zod";
import { openModelOnDisk } from "../../gpu-node/src/fleet/model-on-disk.ts";
import { cacheFolder } from "../../gpu-node/src/model/cache-folder.ts";
import { fetchModel } from "../../gpu-node/src/model/fetch-model.ts";
import { startLineProcess, type LineProcess } from "./line-process.ts";
import { BENCH_PYTHON, PEER_MODEL_BEST, PEER_SCRIPT } from "./peer/peer-files.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const BUILD = path.join(ROOT, "gpu-node/build");
const runFile = promisify(execFile);

const limitsSchema = z.object({
  threads: z.number(),
  peak_kind: z.string(),
  peak_gops: z.number().positive(),
  dram_gb_s: z.number().positive(),
  cache_gb_s: z.number().positive(),
  cache_bytes: z.number(),
});
export type HostLimits = z.infer<typeof limitsSchema>;

/** Threads of every side: all cores, as an engine takes by default. */
export const BENCH_THREADS = availableParallelism();

/** Measures the int8 peak and the read rates of DRAM and cache at the benches' thread count. */
export async function measureLimits(): Promise<HostLimits> {
  const { stdout } = await runFile(path.join(BUILD, "limits_bench"), [String(BENCH_THREADS)]);
  return limitsSchema.parse(JSON.parse(stdout));
}

export interface BenchModel {
  readonly path: string;
  readonly manifestPath: string;
  /** Multiply-adds of the linear layers for one token. */
  readonly linearMacs: number;
  /** The same of the LM head, for one sampled row. */
  readonly headMacs: number;
  /** Bytes of weights that one token of one stream reads. */
  readonly weightBytes: number;
}

/** The default model, opened as a node opens it. */
export async function openBenchModel(): Promise<BenchModel> {
  const cache = cacheFolder(process.env);
  const options = {
    cacheFolder: cache,
    env: process.env,
    onProgress: () => undefined,
    onNotice: () => undefined,
    signal: new AbortController().signal,
  };
  const modelPath = await fetchModel("default", options);
  const { opened, manifestPath } = await openModelOnDisk(modelPath, cache);
  const matrices = matricesOf(opened.manifestText);
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  const layers = matrices.filter(({ name }) => name.startsWith("layers."));
  const head = matrices.find(
    ({ name }) => name === (opened.config.isTied ? "token_embedding" : "output"),
  );
  if (head === undefined) throw new Error("the model has no LM head");
  return {
    path: modelPath,
    manifestPath,
    linearMacs: sum(layers.map(({ rows, columns }) => rows * columns)),
    headMacs: head.rows * head.columns,
    weightBytes: sum(layers.map(({ bytes }) => bytes)) + head.bytes,
  };
}

interface Matrix {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  readonly bytes: number;
}

/** The two-dimensional tensors of a manifest (gpu-node/native/MANIFEST.md). */
export function matricesOf(manifestText: string): Matrix[] {
  return manifestText
    .split("\n")
    .map((line) => line.split(" "))
    .filter((fields) => fields[0] === "tensor" && fields[3] === "2")
    .map(([, name = "", , , rows, columns, , , bytes]) => ({
      name,
      rows: Number(rows),
      columns: Number(columns),
      bytes: Number(bytes),
    }));
}

/** How much the sides must hold. */
export interface SideShape {
  readonly sequences: number;
  readonly tokensPerSequence: number;
}

/** Our engine. */
export function startOurs(
  model: BenchModel,
  shape: SideShape,
  isa = process.env["FAIRLANE_BENCH_ISA"] ?? "auto",
): Promise<LineProcess> {
  const { sequences, tokensPerSequence } = shape;
  const numbers = [BENCH_THREADS, sequences, tokensPerSequence].map(String);
  return startLineProcess(path.join(BUILD, "engine_bench"), [
    model.manifestPath,
    BUILD,
    isa,
    ...numbers,
    process.env["FAIRLANE_BENCH_KV"] ?? "f16",
  ]);
}

/** Which adapters sequences have on a side of lora-tax. */
export interface LoraSide {
  /** Letters of q k v o g u d. */
  readonly modules: string;
  /** Of sequences in turns, separated by commas. */
  readonly ranks: string;
  readonly adapterType?: "f16" | "int8";
}

/** Our engine with an adapter for each sequence (native/bench/lora_bench.cc). */
export async function startLora(
  model: BenchModel,
  shape: SideShape,
  { modules, ranks, adapterType = "f16" }: LoraSide,
): Promise<LineProcess> {
  const { sequences, tokensPerSequence } = shape;
  const numbers = [BENCH_THREADS, sequences, tokensPerSequence].map(String);
  const isa = process.env["FAIRLANE_BENCH_ISA"] ?? "auto";
  const words = [model.manifestPath, BUILD, isa, ...numbers, adapterType];
  const side = await startLineProcess(path.join(BUILD, "lora_bench"), words);
  await side.run(`adapters ${modules} ${ranks}`);
  return side;
}

/** The peer on the same file, with an adapter for each sequence; throws with what to do where it is missing. */
export async function startLoraPeer(
  model: BenchModel,
  shape: SideShape,
  { modules, ranks }: LoraSide,
): Promise<LineProcess> {
  if (!existsSync(BENCH_PYTHON)) {
    throw new Error(
      `the peer llama.cpp (llama-cpp-python) is missing (${BENCH_PYTHON}): run npm run bench:setup`,
    );
  }
  const peer = await startPeer(model.path, shape);
  await peer.run(`adapters ${modules} ${ranks}`);
  return peer;
}

const opTimesSchema = z.object({
  isa: z.string(),
  attention: z.string(),
  ops: z.array(
    z.object({
      op: z.string(),
      load: z.enum(["prefill", "decode"]),
      rows: z.int().positive(),
      us: z.number().nonnegative(),
      operations: z.number(),
      bytes: z.number(),
    }),
  ),
});
export type OpTimes = z.infer<typeof opTimesSchema>;

/** Times every op of our engine's forward pass at the benches' thread count (native/bench/ops_bench.cc). */
export async function measureOps(
  model: BenchModel,
  isa = process.env["FAIRLANE_BENCH_ISA"] ?? "auto",
): Promise<OpTimes> {
  const words = [model.manifestPath, BUILD, isa, String(BENCH_THREADS)];
  const { stdout } = await runFile(path.join(BUILD, "ops_bench"), words);
  return opTimesSchema.parse(JSON.parse(stdout));
}

/** The peer on a model file. */
function startPeer(modelPath: string, shape: SideShape): Promise<LineProcess> {
  const numbers = [BENCH_THREADS, shape.sequences, shape.tokensPerSequence].map(String);
  return startLineProcess(BENCH_PYTHON, [PEER_SCRIPT, modelPath, ...numbers]);
}

export interface Sides {
  readonly ours: LineProcess;
  readonly peer: LineProcess;
  /** The peer in its best format. */
  readonly best: LineProcess;
}

/** All sides on the default model; throws with what to do where the peer is missing. */
export async function startSides(model: BenchModel, shape: SideShape): Promise<Sides> {
  const missing = [BENCH_PYTHON, PEER_MODEL_BEST].find((file) => !existsSync(file));
  if (missing !== undefined) {
    throw new Error(
      `the peer llama.cpp (llama-cpp-python) is missing (${missing}): run npm run bench:setup`,
    );
  }
  const ours = await startOurs(model, shape);
  const peer = await startPeer(model.path, shape);
  const best = await startPeer(PEER_MODEL_BEST, shape);
  return { ours, peer, best };
}
