// Owns which native engines this machine can test and how they open a model file: one entry per plug-in and numerics,
// each with the reason if the CPU cannot run it. Skips are printed, never silent.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { EngineOptions } from "../../gpu-node/src/engine/engine.ts";
import { loadNativeAddon } from "../../gpu-node/src/engine/native-addon.ts";
import { openNativeEngine, type NativeEngine } from "../../gpu-node/src/engine/native-engine.ts";
import { writeManifest } from "../../gpu-node/src/model/manifest.ts";
import { openModel } from "../../gpu-node/src/model/open-model.ts";

export interface EngineKind {
  readonly name: string;
  readonly isa: EngineOptions["isa"];
  readonly numerics: EngineOptions["numerics"];
  readonly kvType?: "f16" | "int8";
}

const ALL_KINDS: readonly EngineKind[] = [
  { name: "generic f32", isa: "generic", numerics: "f32" },
  { name: "generic int8", isa: "generic", numerics: "int8" },
  { name: "avx2 int8", isa: "avx2", numerics: "int8" },
  { name: "avx512vnni int8", isa: "avx512vnni", numerics: "int8" },
];

/** f32 beside the oracle's. */
const VECTOR_F32_KINDS: readonly EngineKind[] = [
  { name: "avx2 f32", isa: "avx2", numerics: "f32" },
  { name: "avx512vnni f32", isa: "avx512vnni", numerics: "f32" },
];

const INT8_KV_KINDS: readonly EngineKind[] = ALL_KINDS.filter(
  ({ numerics }) => numerics === "int8",
).map((kind) => ({ ...kind, name: `${kind.name}, KV int8`, kvType: "int8" }));

/** The kinds with KV in f16 or f32 that this CPU can run; says on standard error which ones it leaves out. */
export function runnableKinds(): EngineKind[] {
  return runnableOf(ALL_KINDS);
}

/** The vector plug-ins in f32. */
export function runnableVectorF32Kinds(): EngineKind[] {
  return runnableOf(VECTOR_F32_KINDS);
}

/** The same with KV in int8. */
export function runnableInt8KvKinds(): EngineKind[] {
  return runnableOf(INT8_KV_KINDS);
}

function runnableOf(kinds: readonly EngineKind[]): EngineKind[] {
  const { supportedIsas } = loadNativeAddon();
  const skipped = kinds.filter(({ isa }) => !supportedIsas.includes(isa));
  if (skipped.length > 0) {
    const names = skipped.map(({ name }) => name).join(", ");
    process.stderr.write(
      `SKIPPED ${skipped.length} of ${kinds.length} engines: this CPU cannot run ${names}\n`,
    );
  }
  return kinds.filter((kind) => !skipped.includes(kind));
}

export const TINY_MODEL = fileURLToPath(
  new URL("../fixtures/tiny-llama/tiny-llama.gguf", import.meta.url),
);

/** A manifest in a temporary folder, removed when disposed. */
export async function manifestOf(
  modelPath: string,
): Promise<AsyncDisposable & { readonly path: string }> {
  const folder = await mkdtemp(join(tmpdir(), "fairlane-manifest-"));
  const path = join(folder, "model.manifest");
  await writeManifest(await openModel(modelPath, { cacheFolder: folder }), path);
  return {
    path,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Opens a kind over a manifest with room for eight slots of 512 tokens; fields of `options` win. */
export function openKind(
  kind: EngineKind,
  manifestPath: string,
  options: Partial<EngineOptions> = {},
): NativeEngine {
  return openNativeEngine({
    manifestPath,
    isa: kind.isa,
    numerics: kind.numerics,
    kvType: kind.kvType ?? "f16",
    pageCount: 320,
    slotCount: 8,
    threadCount: 2,
    capacity: {
      rows: 8,
      tokens: 4096,
      page_updates: 320,
      sampling_updates: 8,
      slot_resets: 8,
      bias_updates: 16,
      top_tokens: 480,
      copied_pages: 4,
    },
    ...options,
  });
}
