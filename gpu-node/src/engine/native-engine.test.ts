// The native engine's edges: misuse from JavaScript, models that cannot be opened, worker threads, and processes
// that end while a step runs. What every engine does is the conformance suite's (test/conformance).
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeManifest } from "../model/manifest.ts";
import { openModel } from "../model/open-model.ts";
import { DEFAULT_ADDON_PATH, loadNativeAddon, type NativeAddon } from "./native-addon.ts";
import { openNativeEngine, type NativeEngine } from "./native-engine.ts";
import { planViews, STEP_LAYOUT_VERSION } from "./step-layout.ts";
import { submitRow, writeRow } from "./testing/submit-row.ts";

const canRun = existsSync(DEFAULT_ADDON_PATH) || process.env["CI"] !== undefined;
if (!canRun) process.stderr.write("SKIPPED: the native core is not built (npm run build:native)\n");

const TINY_MODEL = new URL("../../../test/fixtures/tiny-llama/tiny-llama.gguf", import.meta.url);
const ENGINE_URL = new URL("./native-engine.ts", import.meta.url).href;
const SUBMIT_URL = new URL("./testing/submit-row.ts", import.meta.url).href;
const CAPACITY = {
  rows: 2,
  tokens: 512,
  page_updates: 64,
  sampling_updates: 2,
  slot_resets: 2,
  bias_updates: 16,
  top_tokens: 480,
  copied_pages: 4,
};

let folder = "";
let manifestPath = "";

const OPTIONS = {
  isa: "auto",
  numerics: "int8",
  attention: "auto",
  kvType: "f16",
  kernelsPath: "",
  adapterType: "f16",
  adapterSlots: 4,
  pageCount: 64,
  slotCount: 2,
  threadCount: 2,
  pinsThreads: false,
} as const;

function open(keepLogits = false): NativeEngine {
  return openNativeEngine({ ...OPTIONS, manifestPath, capacity: CAPACITY, keepLogits });
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "fairlane-native-engine-"));
  manifestPath = join(folder, "tiny.manifest");
  await writeManifest(
    await openModel(fileURLToPath(TINY_MODEL), { cacheFolder: folder }),
    manifestPath,
  );
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe("loadNativeAddon", () => {
  it("says what to do when the core is not built", () => {
    expect(() => loadNativeAddon("/nonexistent/addon.node")).toThrow("run npm run build:native");
  });
});

describe.skipIf(!canRun)("native addon", () => {
  const rawOptions = (): Parameters<NativeAddon["openEngine"]>[0] => ({
    ...OPTIONS,
    manifestPath,
    pluginFolder: join(DEFAULT_ADDON_PATH, ".."),
    capacity: CAPACITY,
    keepLogits: false,
  });

  it("lists the plug-ins that the CPU can run, generic last", () => {
    expect(loadNativeAddon().supportedIsas.at(-1)).toBe("generic");
    expect(loadNativeAddon().stepLayoutVersion).toBe(STEP_LAYOUT_VERSION);
  });

  const wrong: [what: string, options: unknown, message: string][] = [
    ["nothing", undefined, "takes an object of options"],
    ["null", null, "takes an object of options"],
    ["no manifest path", { manifestPath: undefined }, "manifestPath must be a string"],
    ["a path with a NUL", { manifestPath: "/tmp/\0" }, "manifestPath must be a string without NUL"],
    ["a fraction of a page", { pageCount: 1.5 }, "pageCount must be a 32-bit integer"],
    ["pages as text", { pageCount: "8" }, "pageCount must be a number"],
    ["too many pages", { pageCount: 2 ** 31 }, "pageCount must be a 32-bit integer"],
    ["no slots", { slotCount: 0 }, "slotCount is 0, outside 1 .. 65536"],
    ["a flag as a number", { keepLogits: 1 }, "keepLogits must be a boolean"],
    ["no capacity", { capacity: null }, "capacity must be an object"],
    [
      "a capacity without rows",
      { capacity: { ...CAPACITY, rows: undefined } },
      "rows must be a number",
    ],
    ["another ISA", { isa: "mmx" }, 'there is no ISA plug-in "mmx"'],
    ["other numerics", { numerics: "int4" }, 'numerics must be int8 or f32, not "int4"'],
    ["other attention", { attention: "f16" }, 'attention must be auto, f32 or bf16, not "f16"'],
    ["another KV type", { kvType: "int4" }, 'kvType must be f16 or int8, not "int4"'],
    [
      "KV in int8 in the oracle",
      { isa: "generic", numerics: "f32", kvType: "int8" },
      "KV in int8 does not go with the numerics f32",
    ],
    [
      "bf16 attention without the plug-in",
      { isa: "generic", attention: "bf16" },
      "attention in bf16 needs a CPU with AVX512_BF16 and the ISA plug-in avx512vnni",
    ],
    [
      "no manifest there",
      { manifestPath: "/nonexistent" },
      "cannot read the manifest /nonexistent",
    ],
    [
      "no plug-ins there",
      { pluginFolder: "/nonexistent" },
      "cannot load the plug-in /nonexistent/cpu_",
    ],
  ];
  it.each(wrong)("throws for %s instead of options", (_what, options, message) => {
    const given =
      options === undefined || options === null ? options : { ...rawOptions(), ...options };
    const addon = loadNativeAddon();
    expect(() => addon.openEngine(given as ReturnType<typeof rawOptions>)).toThrow(message);
  });

  it("throws for every misuse of a handle", async () => {
    const handle = loadNativeAddon().openEngine(rawOptions());
    for (const index of [2, -1, 0.5, "0", undefined]) {
      expect(() => handle.submitStep(index as number)).toThrow("planIndex must be");
    }
    // The methods of one object, called on others.
    const foreign = Object.create(handle) as typeof handle;
    expect(() => foreign.submitStep(0)).toThrow("something that is no engine");
    expect(() => foreign.close()).toThrow("something that is no engine");
    expect(() => handle.waitStep()).toThrow("no step is in flight");
    expect(() => handle.readLogits()).toThrow("no logits are kept");
    handle.plans[1].transfer();
    expect(() => handle.submitStep(1)).toThrow("detached or transferred");
    await handle.close();
    expect(() => handle.submitStep(0)).toThrow("the engine is closed");
    expect(() => handle.readLogits()).toThrow("the engine is closed");
  });

  it("takes one wait at a time", async () => {
    const handle = loadNativeAddon().openEngine(rawOptions());
    const messages: string[] = [];
    // On a busy machine this thread may sleep until the step is done; then the second wait finds nothing in flight.
    for (
      let attempt = 0;
      attempt < 10 && !messages.includes("a wait is pending already");
      attempt++
    ) {
      writeRow(planViews(CAPACITY, handle.plans[0]), 512);
      handle.submitStep(0);
      const waiting = handle.waitStep();
      try {
        void handle.waitStep();
      } catch (thrown) {
        messages.push(thrown instanceof Error ? thrown.message : "");
      }
      await waiting;
    }
    await handle.close();
    expect(messages.at(-1)).toBe("a wait is pending already");
  });

  it("refuses a result buffer that was taken away and stays usable", async () => {
    const handle = loadNativeAddon().openEngine(rawOptions());
    handle.results[0].transfer();
    handle.submitStep(0);
    await expect(handle.waitStep()).rejects.toThrow("result buffer was detached");
    await handle.close();
  });
});

describe.skipIf(!canRun)("models that cannot be opened", () => {
  it("names a model file of another size", async () => {
    const copy = join(folder, "cut.bin");
    await writeFile(copy, "x");
    await truncate(copy, 99);
    const path = join(folder, "cut.manifest");
    await writeFile(path, manifestWith({ embeddingType: "f32", file: copy, fileBytes: 4_000_000 }));
    const options = { ...OPTIONS, manifestPath: path, capacity: CAPACITY };
    expect(() => openNativeEngine(options)).toThrow(
      `${copy} has 99 bytes, the manifest says 4000000`,
    );
  });

  it("opens a model in k-quants, 256 values wide", async () => {
    const file = join(folder, "k-quants.bin");
    await writeFile(file, "");
    await truncate(file, 4_000_000);
    const path = join(folder, "k-quants.manifest");
    await writeFile(path, manifestWith({ embeddingType: "q4_k", file, fileBytes: 4_000_000 }));
    const engine = openNativeEngine({ ...OPTIONS, manifestPath: path, capacity: CAPACITY });
    expect(engine.info.vocabSize).toBe(256);
    await engine.close();
  });
});

/** A model of one layer and 256 everywhere; all tensors lie at the start of the file. */
function manifestWith(model: { embeddingType: string; file: string; fileBytes: number }): string {
  const tensor = (name: string, type = "f32") =>
    `tensor ${name} ${type} 2 256 256 0 0 ${type === "f32" ? 262_144 : 36_864}`;
  const norm = (name: string) => `tensor ${name} f32 1 256 0 0 1024`;
  const matrices = ["q", "k", "v", "o", "gate", "up", "down"];
  const sizes = {
    hidden: 256,
    layers: 1,
    heads: 8,
    kv_heads: 8,
    head_dim: 32,
    ffn: 256,
    vocab: 256,
  };
  const rest = { context: 64, rope_base: 10_000, rms_eps: 1e-5, qk_interleaved: 0 };
  return [
    "fairlane-manifest 1",
    "arch llama",
    ...Object.entries({ ...sizes, ...rest }).map(([name, value]) => `param ${name} ${value}`),
    `file 0 ${model.fileBytes} ${model.file}`,
    tensor("token_embedding", model.embeddingType),
    norm("output_norm"),
    norm("layers.0.attention_norm"),
    norm("layers.0.ffn_norm"),
    ...matrices.map((name) => tensor(`layers.0.${name}`)),
    "end 11",
    "",
  ].join("\n");
}

describe.skipIf(!canRun)("logits", () => {
  it("are kept for every position, and not to be had while a step runs", async () => {
    const engine = open(true);
    submitRow(engine, 300);
    expect(() => engine.readLogits()).toThrow("while a step is queued or running");
    await engine.waitStep({ timeoutMs: 60_000 });
    const logits = engine.readLogits();
    expect(logits.length).toBe(300 * engine.info.vocabSize);
    expect(logits.every(Number.isFinite)).toBe(true);
    await engine.close();
  });
});

/** Code that opens an engine and has the largest step in flight. */
function program(rest: string): string {
  return `
    const { openNativeEngine } = await import(${JSON.stringify(ENGINE_URL)});
    const { submitRow } = await import(${JSON.stringify(SUBMIT_URL)});
    const options = ${JSON.stringify({ ...OPTIONS, manifestPath, capacity: CAPACITY })};
    const engine = openNativeEngine(options);
    submitRow(engine, 512);
    ${rest}`;
}

function runProgram(
  rest: string,
  flags: readonly string[] = [],
): { status: number | null; out: string } {
  const args = [...flags, "--input-type=module", "-e", program(rest)];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: "utf8",
    timeout: 30_000,
  });
  return { status, out: stdout + stderr };
}

describe.skipIf(!canRun)("processes and threads that end", () => {
  it("keeps a process alive while a step is waited for, and no longer", () => {
    const rest = `console.log((await engine.waitStep({ timeoutMs: 20000 })).state);`;
    expect(runProgram(rest)).toEqual({ status: 0, out: "done\n" });
  });

  it("lets a process exit in the middle of a step", () => {
    expect(runProgram("process.exit(3);")).toEqual({ status: 3, out: "" });
  });

  it("lets a process end that never closed its engine", () => {
    expect(runProgram(`console.log("end");`)).toEqual({ status: 0, out: "end\n" });
  });

  it("frees engines that were dropped without a close", () => {
    const rest = `
      await engine.waitStep({ timeoutMs: 20000 });
      for (let i = 0; i < 20; i++) {
        submitRow(openNativeEngine(options), 5);
        await new Promise((resolve) => setTimeout(resolve, 5));
        gc();
      }
      console.log("end");`;
    expect(runProgram(rest, ["--expose-gc"])).toEqual({ status: 0, out: "end\n" });
  });

  it("runs in a worker thread, which may be stopped in the middle of a step", async () => {
    const code = (rest: string) => `(async () => {
      const { parentPort } = require("node:worker_threads");
      ${program(rest)}
    })();`;
    const finishing = new Worker(
      code(`const { state } = await engine.waitStep({ timeoutMs: 20000 });
            await engine.close();
            parentPort.postMessage(state);`),
      { eval: true },
    );
    const message = await new Promise((resolve, reject) => {
      finishing.once("message", resolve);
      finishing.once("error", reject);
    });
    expect(message).toBe("done");
    const stopped = new Worker(code(`parentPort.postMessage("running"); for (;;) {}`), {
      eval: true,
    });
    await new Promise((resolve, reject) => {
      stopped.once("message", resolve);
      stopped.once("error", reject);
    });
    expect(await stopped.terminate()).toBe(1);
  });
});
