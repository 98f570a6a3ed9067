// For tests: folders as PEFT writes them, with small random values from a seed, that fit the tiny model or not.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { writeSafetensors } from "../../model/testing/hf-copy.ts";
import { CONFIG_FILE, WEIGHTS_FILE } from "../peft-error.ts";
import type { AdapterBase } from "../read-adapter.ts";

/** The shape of test/fixtures/tiny-llama. */
export const TINY_BASE: AdapterBase = {
  hiddenSize: 64,
  layerCount: 2,
  headCount: 4,
  kvHeadCount: 2,
  headDim: 16,
  ffnSize: 160,
};

const SHAPES = {
  q_proj: ["self_attn", 64, 64],
  k_proj: ["self_attn", 64, 32],
  v_proj: ["self_attn", 64, 32],
  o_proj: ["self_attn", 64, 64],
  gate_proj: ["mlp", 64, 160],
  up_proj: ["mlp", 64, 160],
  down_proj: ["mlp", 160, 64],
} as const;

export type Projection = keyof typeof SHAPES;
export const ALL_LINEAR = Object.keys(SHAPES) as Projection[];

export interface PeftDraft {
  readonly targets?: readonly Projection[];
  readonly rank?: number;
  readonly alpha?: number;
  readonly seed?: number;
  readonly dtype?: "F32" | "F16" | "BF16";
  /** Rank of a module where it is not `rank`. */
  readonly rankOf?: (module: string) => number | undefined;
  /** Largest absolute value. */
  readonly scale?: number;
  /** Fields of adapter_config.json beside the usual ones, or in their place. */
  readonly config?: Readonly<Record<string, unknown>>;
}

/** Writes adapter_config.json and adapter_model.safetensors into the folder. */
export async function writePeft(folder: string, options: PeftDraft = {}): Promise<void> {
  const { targets = ["q_proj", "v_proj"], rank = 8, alpha = 16, dtype = "F32" } = options;
  const config = {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    r: rank,
    lora_alpha: alpha,
    target_modules: targets,
    bias: "none",
    use_dora: false,
    modules_to_save: null,
    fan_in_fan_out: false,
    ...options.config,
  };
  await writeFile(join(folder, CONFIG_FILE), JSON.stringify(config));
  const next = randomValues(options.seed ?? 1, options.scale ?? 0.5);
  const header: Record<string, unknown> = {};
  const pieces: Uint8Array[] = [];
  let offset = 0;
  for (let layer = 0; layer < TINY_BASE.layerCount; layer++) {
    for (const target of targets) {
      const [block, inSize, outSize] = SHAPES[target];
      const name = `model.layers.${layer}.${block}.${target}`;
      const own = options.rankOf?.(name) ?? rank;
      for (const [half, shape] of [
        ["A", [own, inSize]],
        ["B", [outSize, own]],
      ] as const) {
        const values = Float32Array.from({ length: shape[0] * shape[1] }, next);
        const bytes = encoded(values, dtype);
        const data_offsets = [offset, offset + bytes.length];
        header[`base_model.model.${name}.lora_${half}.weight`] = { dtype, shape, data_offsets };
        pieces.push(bytes);
        offset += bytes.length;
      }
    }
  }
  await writeSafetensors(join(folder, WEIGHTS_FILE), header, Buffer.concat(pieces));
}

/** Numbers that f16 and bf16 hold exactly: multiples of scale / 128. */
function randomValues(seed: number, scale: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (((state >>> 16) % 255) - 127) * (scale / 128);
  };
}

function encoded(values: Float32Array, dtype: "F32" | "F16" | "BF16"): Uint8Array {
  if (dtype === "F32") return new Uint8Array(values.buffer);
  if (dtype === "F16") return new Uint8Array(Float16Array.from(values).buffer);
  const words = new Uint32Array(values.buffer);
  return new Uint8Array(Uint16Array.from(words, (word) => word >>> 16).buffer);
}
