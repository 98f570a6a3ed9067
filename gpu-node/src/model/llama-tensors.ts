// Owns which tensors a model of the Llama family consists of: their names in GGUF files, in Hugging Face files and in the
// manifest, and their shapes. A model that lacks one, has one of another shape, or has one that would change
// what is computed, is refused by name.
import type { LlamaArchitecture, LlamaConfig } from "./llama-config.ts";
import { ModelError } from "./model-error.ts";
import type { TensorEntry } from "./tensor-entry.ts";

/** A tensor under its canonical name of MANIFEST.md. */
export interface CanonicalTensor {
  readonly canonicalName: string;
  readonly entry: TensorEntry;
}

export type NamingScheme = "gguf" | "hf";

type LayerPart =
  | "attention_norm"
  | "q"
  | "k"
  | "v"
  | "o"
  | "ffn_norm"
  | "gate"
  | "up"
  | "down"
  | "q_bias"
  | "k_bias"
  | "v_bias"
  | "q_norm"
  | "k_norm";

const LAYER_PARTS: Readonly<Record<LayerPart, Readonly<Record<NamingScheme, string>>>> = {
  attention_norm: { gguf: "attn_norm.weight", hf: "input_layernorm.weight" },
  q: { gguf: "attn_q.weight", hf: "self_attn.q_proj.weight" },
  k: { gguf: "attn_k.weight", hf: "self_attn.k_proj.weight" },
  v: { gguf: "attn_v.weight", hf: "self_attn.v_proj.weight" },
  o: { gguf: "attn_output.weight", hf: "self_attn.o_proj.weight" },
  ffn_norm: { gguf: "ffn_norm.weight", hf: "post_attention_layernorm.weight" },
  gate: { gguf: "ffn_gate.weight", hf: "mlp.gate_proj.weight" },
  up: { gguf: "ffn_up.weight", hf: "mlp.up_proj.weight" },
  down: { gguf: "ffn_down.weight", hf: "mlp.down_proj.weight" },
  q_bias: { gguf: "attn_q.bias", hf: "self_attn.q_proj.bias" },
  k_bias: { gguf: "attn_k.bias", hf: "self_attn.k_proj.bias" },
  v_bias: { gguf: "attn_v.bias", hf: "self_attn.v_proj.bias" },
  q_norm: { gguf: "attn_q_norm.weight", hf: "self_attn.q_norm.weight" },
  k_norm: { gguf: "attn_k_norm.weight", hf: "self_attn.k_norm.weight" },
};
/** In the order of the manifest. */
const COMMON_PARTS: readonly LayerPart[] = [
  "attention_norm",
  "q",
  "k",
  "v",
  "o",
  "ffn_norm",
  "gate",
  "up",
  "down",
];
const OWN_PARTS: Readonly<Record<LlamaArchitecture, readonly LayerPart[]>> = {
  llama: [],
  qwen2: ["q_bias", "k_bias", "v_bias"],
  qwen3: ["q_norm", "k_norm"],
};
const TOP_NAMES = {
  token_embedding: { gguf: "token_embd.weight", hf: "model.embed_tokens.weight" },
  output_norm: { gguf: "output_norm.weight", hf: "model.norm.weight" },
  output: { gguf: "output.weight", hf: "lm_head.weight" },
  // Only GGUF files carry it; Hugging Face folders state the numbers it comes from.
  rope_divisors: { gguf: "rope_freqs.weight", hf: "" },
} as const;

interface ExpectedTensor {
  readonly canonicalName: string;
  readonly fileName: string;
  readonly dims: readonly number[];
}

/** The name of the embedding in a file. */
export function embeddingName(scheme: NamingScheme): string {
  return TOP_NAMES.token_embedding[scheme];
}

/** The name of the separate output projection in a file. */
export function outputName(scheme: NamingScheme): string {
  return TOP_NAMES.output[scheme];
}

/** The name of the divisors of rotary frequencies in a GGUF file. */
export function ropeDivisorsName(): string {
  return TOP_NAMES.rope_divisors.gguf;
}

/**
 * Finds every tensor of the model among those of its files.
 * @param file the file or folder to name in errors
 * @returns the tensors in manifest order
 */
export function mapLlamaTensors(
  file: string,
  model: {
    readonly config: LlamaConfig;
    readonly scheme: NamingScheme;
    readonly tensors: readonly TensorEntry[];
  },
): readonly CanonicalTensor[] {
  const { config, scheme, tensors } = model;
  const unused = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const mapped = expectedTensors(config, scheme).map(({ canonicalName, fileName, dims }) => {
    const entry = unused.get(fileName);
    if (!entry) throw new ModelError(file, fileName, "is missing");
    if (entry.dims.length !== dims.length || entry.dims.some((dim, i) => dim !== dims[i])) {
      const problem = `has the shape [${entry.dims.join(", ")}], the configuration needs [${dims.join(", ")}]`;
      throw new ModelError(file, fileName, problem);
    }
    unused.delete(fileName);
    return { canonicalName, entry };
  });
  for (const name of unused.keys()) {
    if (isHarmless(name, config)) continue;
    throw new ModelError(
      file,
      name,
      `is not part of a ${config.architecture} model of the supported kind`,
    );
  }
  return mapped;
}

function expectedTensors(config: LlamaConfig, scheme: NamingScheme): readonly ExpectedTensor[] {
  const { hiddenSize, ffnSize, vocabSize } = config;
  const queryRows = config.headCount * config.headDim;
  const kvRows = config.kvHeadCount * config.headDim;
  const dimsOf: Readonly<Record<LayerPart, readonly number[]>> = {
    attention_norm: [hiddenSize],
    q: [queryRows, hiddenSize],
    k: [kvRows, hiddenSize],
    v: [kvRows, hiddenSize],
    o: [hiddenSize, queryRows],
    ffn_norm: [hiddenSize],
    gate: [ffnSize, hiddenSize],
    up: [ffnSize, hiddenSize],
    down: [hiddenSize, ffnSize],
    q_bias: [queryRows],
    k_bias: [kvRows],
    v_bias: [kvRows],
    q_norm: [config.headDim],
    k_norm: [config.headDim],
  };
  const top = (name: keyof typeof TOP_NAMES, dims: readonly number[]): ExpectedTensor => ({
    canonicalName: name,
    fileName: TOP_NAMES[name][scheme],
    dims,
  });
  const expected = [top("token_embedding", [vocabSize, hiddenSize])];
  for (let layer = 0; layer < config.layerCount; layer++) {
    const prefix = scheme === "gguf" ? `blk.${layer}.` : `model.layers.${layer}.`;
    for (const part of [...COMMON_PARTS, ...OWN_PARTS[config.architecture]]) {
      const fileName = `${prefix}${LAYER_PARTS[part][scheme]}`;
      expected.push({ canonicalName: `layers.${layer}.${part}`, fileName, dims: dimsOf[part] });
    }
  }
  expected.push(top("output_norm", [hiddenSize]));
  if (!config.isTied) expected.push(top("output", [vocabSize, hiddenSize]));
  if (config.ropeScaling?.kind === "divisors") {
    expected.push(top("rope_divisors", [config.headDim / 2]));
  }
  return expected;
}

/** Tensors that some files carry and that change nothing: old rotary tables, and the copy of a tied embedding. */
function isHarmless(name: string, config: LlamaConfig): boolean {
  if (name.endsWith(".self_attn.rotary_emb.inv_freq")) return true;
  return config.isTied && name === TOP_NAMES.output.hf;
}
