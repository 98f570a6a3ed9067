// Owns reading the shape of a Llama-family model from a Hugging Face config.json, refusing every variant that the
// core does not compute.
import { z } from "zod";
import {
  checkConfig,
  SUPPORTED_ARCHITECTURES,
  type ConfigKeys,
  type LlamaArchitecture,
  type LlamaConfig,
} from "./llama-config.ts";
import { ModelError } from "./model-error.ts";
import { parseWith } from "./read-json.ts";

const ARCHITECTURES: ReadonlyMap<string, LlamaArchitecture> = new Map([
  ["LlamaForCausalLM", "llama"],
  // The same computation, with a window in its first versions.
  ["MistralForCausalLM", "llama"],
  ["Qwen2ForCausalLM", "qwen2"],
  ["Qwen3ForCausalLM", "qwen3"],
]);
/** What transformers assumes where a configuration of Qwen3 does not say. */
const QWEN3_HEAD_DIM = 128;

const size = z.int();
const ropeSchema = z.looseObject({
  rope_type: z.string().optional(),
  type: z.string().optional(),
  rope_theta: z.number().optional(),
  factor: z.number().optional(),
  low_freq_factor: z.number().optional(),
  high_freq_factor: z.number().optional(),
  original_max_position_embeddings: z.number().optional(),
});
// config.json of transformers 4 and 5; what is not listed does not change what is computed.
const configSchema = z.looseObject({
  architectures: z.array(z.string()).min(1),
  hidden_size: size,
  num_hidden_layers: size,
  num_attention_heads: size,
  num_key_value_heads: size.nullish(),
  head_dim: size.nullish(),
  intermediate_size: size,
  vocab_size: size,
  max_position_embeddings: size,
  rope_theta: z.number().nullish(),
  rope_scaling: ropeSchema.nullish(),
  rope_parameters: ropeSchema.nullish(),
  partial_rotary_factor: z.number().nullish(),
  rms_norm_eps: z.number(),
  hidden_act: z.string().nullish(),
  sliding_window: size.nullish(),
  use_sliding_window: z.boolean().nullish(),
  max_window_layers: size.nullish(),
  layer_types: z.array(z.string()).nullish(),
  attention_bias: z.boolean().nullish(),
  mlp_bias: z.boolean().nullish(),
  tie_word_embeddings: z.boolean().nullish(),
  quantization_config: z.unknown().optional(),
});
type HfConfig = z.infer<typeof configSchema>;

/** Reads the configuration of a Hugging Face folder. */
export function llamaConfigOfHf(file: string, json: Record<string, unknown>): LlamaConfig {
  const hf = parseWith(configSchema, file, json);
  const architecture = readArchitecture(file, hf);
  refuseHfVariants(file, hf, architecture);
  const evenShare = hf.hidden_size / hf.num_attention_heads;
  const config: LlamaConfig = {
    architecture,
    hiddenSize: hf.hidden_size,
    layerCount: hf.num_hidden_layers,
    headCount: hf.num_attention_heads,
    kvHeadCount: hf.num_key_value_heads ?? hf.num_attention_heads,
    headDim: hf.head_dim ?? (architecture === "qwen3" ? QWEN3_HEAD_DIM : evenShare),
    ffnSize: hf.intermediate_size,
    vocabSize: hf.vocab_size,
    contextTokens: hf.max_position_embeddings,
    ropeBase: hf.rope_parameters?.rope_theta ?? hf.rope_theta ?? 10_000,
    ...readRopeScaling(file, hf),
    rmsEps: hf.rms_norm_eps,
    ...readWindow(file, hf),
    isQkInterleaved: false,
    isTied: hf.tie_word_embeddings ?? false,
  };
  checkConfig(file, config, HF_KEYS);
  return config;
}

function readArchitecture(file: string, hf: HfConfig): LlamaArchitecture {
  const name = hf.architectures[0] ?? "";
  const architecture = ARCHITECTURES.get(name);
  if (architecture && hf.architectures.length === 1) return architecture;
  const problem = `architecture ${name.slice(0, 64)} is not supported; ${SUPPORTED_ARCHITECTURES}`;
  throw new ModelError(file, "architectures", problem);
}

function refuseHfVariants(file: string, hf: HfConfig, architecture: LlamaArchitecture): void {
  const refusals: readonly (readonly [key: string, isRefused: boolean])[] = [
    ["partial_rotary_factor", (hf.partial_rotary_factor ?? 1) !== 1],
    ["hidden_act", (hf.hidden_act ?? "silu") !== "silu"],
    // Qwen2 has its bias whatever the configuration says.
    ["attention_bias", architecture !== "qwen2" && (hf.attention_bias ?? false)],
    ["mlp_bias", hf.mlp_bias ?? false],
    ["quantization_config", (hf.quantization_config ?? null) !== null],
  ];
  const refused = refusals.find(([, isRefused]) => isRefused)?.[0];
  if (refused === undefined) return;
  const problem = `is set; this variant of ${architecture} is not supported`;
  throw new ModelError(file, refused, problem);
}

/** What transformers assumes where a configuration of Qwen does not say from which layer on the window holds. */
const QWEN_MAX_WINDOW_LAYERS = 28;

/** Mistral's is in all layers; Qwen's, where it is used, in those from max_window_layers on, or as layer_types says. */
function readWindow(file: string, hf: HfConfig): Pick<LlamaConfig, "window"> {
  const isMistral = hf.architectures[0] === "MistralForCausalLM";
  const isUsed = isMistral || (hf.use_sliding_window ?? false);
  const tokens = isUsed ? (hf.sliding_window ?? null) : null;
  const isAll = isMistral && (hf.layer_types ?? null) === null;
  const firstLayer = isAll ? 0 : firstWindowedLayer(file, hf);
  const hasTypes = hf.layer_types?.some((type) => type !== "full_attention") ?? false;
  if (tokens === null && hasTypes) {
    throw new ModelError(file, "layer_types", "names windowed layers, but no window is in use");
  }
  if (tokens === null || firstLayer >= hf.num_hidden_layers) return {};
  return { window: { tokens, firstLayer } };
}

function firstWindowedLayer(file: string, hf: HfConfig): number {
  const types = hf.layer_types ?? null;
  if (types === null) return hf.max_window_layers ?? QWEN_MAX_WINDOW_LAYERS;
  const first = types.indexOf("sliding_attention");
  const from = first < 0 ? hf.num_hidden_layers : first;
  const isSplit =
    types.length === hf.num_hidden_layers &&
    types.every((type, layer) => type === (layer < from ? "full_attention" : "sliding_attention"));
  if (isSplit) return from;
  const problem = "is not full_attention up to a layer and sliding_attention from there on";
  throw new ModelError(file, "layer_types", problem);
}

function readRopeScaling(file: string, hf: HfConfig): Pick<LlamaConfig, "ropeScaling"> {
  const key = hf.rope_parameters ? "rope_parameters" : "rope_scaling";
  const rope = hf.rope_parameters ?? hf.rope_scaling ?? {};
  const kind = rope.rope_type ?? rope.type ?? "default";
  const needed = (name: "factor" | "low_freq_factor" | "high_freq_factor") => {
    const value = rope[name];
    if (value === undefined) throw new ModelError(file, `${key}.${name}`, "is missing");
    return value;
  };
  if (kind === "default") return {};
  if (kind === "linear") return { ropeScaling: { kind, factor: needed("factor") } };
  if (kind !== "llama3") {
    const problem = `${kind.slice(0, 64)} is not supported; supported: linear, llama3`;
    throw new ModelError(file, key, problem);
  }
  return {
    ropeScaling: {
      kind,
      factor: needed("factor"),
      lowFrequency: needed("low_freq_factor"),
      highFrequency: needed("high_freq_factor"),
      originalContextTokens: rope.original_max_position_embeddings ?? hf.max_position_embeddings,
    },
  };
}

const HF_KEYS: ConfigKeys = {
  hiddenSize: "hidden_size",
  layerCount: "num_hidden_layers",
  headCount: "num_attention_heads",
  kvHeadCount: "num_key_value_heads",
  headDim: "head_dim",
  ffnSize: "intermediate_size",
  vocabSize: "vocab_size",
  contextTokens: "max_position_embeddings",
  ropeBase: "rope_theta",
  ropeScaling: "rope_scaling",
  rmsEps: "rms_norm_eps",
  window: "sliding_window",
};
