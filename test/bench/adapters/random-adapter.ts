// Owns a random adapter of the default model for benches: its matrices in a temporary file, packed once by the engine. Speed
// does not depend on the values; copies of the packed form are adapters of their own.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type AdapterModuleSpec,
  type LoraModule,
  type PackedAdapter,
} from "../../../gpu-node/src/engine/adapter-spec.ts";
import type { Engine } from "../../../gpu-node/src/engine/engine.ts";
import type { LlamaConfig } from "../../../gpu-node/src/model/llama-config.ts";
import { seededRandom } from "../workload.ts";

/** Of the values: enough to compute with, and no overflow. */
const SPREAD = 0.01;

export interface AdapterKind {
  readonly rank: number;
  readonly modules: readonly LoraModule[];
}

/** Packs a random adapter for the engine's model. */
export async function packRandomAdapter(
  engine: Pick<Engine, "packAdapter">,
  config: LlamaConfig,
  { rank, modules }: AdapterKind,
): Promise<PackedAdapter> {
  const folder = await mkdtemp(join(tmpdir(), "fairlane-bench-adapter-"));
  try {
    const path = join(folder, "matrices.bin");
    let bytes = 0;
    const matrix = (shape: readonly [number, number]) => {
      const offset = bytes;
      bytes += shape[0] * shape[1] * Float32Array.BYTES_PER_ELEMENT;
      return { path, offset, dtype: "f32", shape } as const;
    };
    const spec = Array.from({ length: config.layerCount }).flatMap((_, layer) =>
      modules.map((module): AdapterModuleSpec => {
        const [inputs, outputs] = widthsOf(config, module);
        const [a, b] = [matrix([rank, inputs]), matrix([outputs, rank])];
        return { layer, module, rank, scaling: 1, a, b };
      }),
    );
    const random = seededRandom(1);
    const length = bytes / Float32Array.BYTES_PER_ELEMENT;
    await writeFile(
      path,
      Float32Array.from({ length }, () => SPREAD * (2 * random() - 1)),
    );
    return await engine.packAdapter(spec);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function widthsOf(config: LlamaConfig, module: LoraModule): readonly [number, number] {
  const { hiddenSize, headCount, kvHeadCount, headDim, ffnSize } = config;
  switch (module) {
    case "q":
      return [hiddenSize, headCount * headDim];
    case "k":
    case "v":
      return [hiddenSize, kvHeadCount * headDim];
    case "o":
      return [headCount * headDim, hiddenSize];
    case "gate":
    case "up":
      return [hiddenSize, ffnSize];
    case "down":
      return [ffnSize, hiddenSize];
  }
}
