// Owns the shape of a Llama model and reading it from GGUF metadata or a Hugging Face config.json, refusing
// every variant that the core does not compute. A LlamaConfig that this file returns is consistent in itself.
import { z } from "zod";
import type { GgufMetadata } from "./gguf.ts";
import {
  CONTEXT_TOKENS_MAX,
  HEAD_DIM_MAX,
  HEADS_MAX,
  LAYERS_MAX,
  TENSOR_DIMENSION_MAX,
} from "./limits.ts";
import { ModelError } from "./model-error.ts";
import { parseWith } from "./read-json.ts";

export interface LlamaConfig {
  /** Values of a token's state. */
  readonly hiddenSize: number;
  readonly layerCount: number;
  readonly headCount: number;
  readonly kvHeadCount: number;
  readonly headDim: number;
  readonly ffnSize: number;
  /** Rows of the embedding; the tokenizer may know fewer tokens. */
  readonly vocabSize: number;
  readonly contextTokens: number;
  readonly ropeBase: number;
  readonly rmsEps: number;
  /** q and k rows of each head are stored for interleaved rotary pairs (GGUF llama files). */
  readonly isQkInterleaved: boolean;
  /** The output projection is the embedding. */
  readonly isTied: boolean;
}

const SUPPORTED = "supported: llama";

/**
 * Reads the configuration of a GGUF file.
 * @param embeddingRows rows of token_embd.weight, or undefined when the tensor is missing
 */
export function llamaConfigOfGguf(
  file: string,
  metadata: GgufMetadata,
  tensors: { readonly embeddingRows: number | undefined; readonly hasOutput: boolean },
): LlamaConfig {
  const architecture = metadata.required(
    "general.architecture",
    metadata.text("general.architecture"),
  );
  if (architecture !== "llama") {
    const problem = `architecture ${architecture.slice(0, 64)} is not supported; ${SUPPORTED}`;
    throw new ModelError(file, "general.architecture", problem);
  }
  refuseGgufVariants(file, metadata);
  const number = (key: string) => metadata.number(`llama.${key}`);
  const needed = (key: string) => metadata.required(`llama.${key}`, number(key));
  const hiddenSize = needed("embedding_length");
  const headCount = needed("attention.head_count");
  const headDim = number("attention.key_length") ?? hiddenSize / headCount;
  const vocabSize = metadata.required("token_embd.weight", tensors.embeddingRows);
  const declared = number("vocab_size");
  if (declared !== undefined && declared !== vocabSize) {
    const problem = `${declared} differs from the ${vocabSize} rows of token_embd.weight`;
    throw new ModelError(file, "llama.vocab_size", problem);
  }
  const config: LlamaConfig = {
    hiddenSize,
    layerCount: needed("block_count"),
    headCount,
    kvHeadCount: number("attention.head_count_kv") ?? headCount,
    headDim,
    ffnSize: needed("feed_forward_length"),
    vocabSize,
    contextTokens: needed("context_length"),
    ropeBase: number("rope.freq_base") ?? 10_000,
    rmsEps: needed("attention.layer_norm_rms_epsilon"),
    isQkInterleaved: true,
    isTied: !tensors.hasOutput,
  };
  checkConfig(file, config, GGUF_KEYS);
  for (const key of ["attention.value_length", "rope.dimension_count"]) {
    const value = number(key) ?? headDim;
    if (value === headDim) continue;
    const problem = `${value} differs from the head size ${headDim}; this variant is not supported`;
    throw new ModelError(file, `llama.${key}`, problem);
  }
  return config;
}

function refuseGgufVariants(file: string, metadata: GgufMetadata): void {
  const refuse = (key: string, problem: string): never => {
    throw new ModelError(file, key, `${problem}; this variant of llama is not supported`);
  };
  const scalingKey = "llama.rope.scaling.type";
  if ((metadata.text(scalingKey) ?? "none") !== "none") refuse(scalingKey, "rope scaling is set");
  for (const key of ["llama.rope.scaling.factor", "llama.rope.scale_linear"]) {
    if (![1, 0].includes(metadata.number(key) ?? 1)) refuse(key, "rope scaling is set");
  }
  if ((metadata.number("llama.expert_count") ?? 0) !== 0) {
    refuse("llama.expert_count", "the model is a mixture of experts");
  }
  if ((metadata.number("llama.attention.sliding_window") ?? 0) !== 0) {
    refuse("llama.attention.sliding_window", "attention has a sliding window");
  }
}

const size = z.int();
const ropeSchema = z.looseObject({
  rope_type: z.string().optional(),
  type: z.string().optional(),
  rope_theta: z.number().optional(),
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
  attention_bias: z.boolean().nullish(),
  mlp_bias: z.boolean().nullish(),
  tie_word_embeddings: z.boolean().nullish(),
  quantization_config: z.unknown().optional(),
});
type HfConfig = z.infer<typeof configSchema>;

/** Reads the configuration of a Hugging Face folder. */
export function llamaConfigOfHf(file: string, json: Record<string, unknown>): LlamaConfig {
  const hf = parseWith(configSchema, file, json);
  refuseHfVariants(file, hf);
  const config: LlamaConfig = {
    hiddenSize: hf.hidden_size,
    layerCount: hf.num_hidden_layers,
    headCount: hf.num_attention_heads,
    kvHeadCount: hf.num_key_value_heads ?? hf.num_attention_heads,
    headDim: hf.head_dim ?? hf.hidden_size / hf.num_attention_heads,
    ffnSize: hf.intermediate_size,
    vocabSize: hf.vocab_size,
    contextTokens: hf.max_position_embeddings,
    ropeBase: hf.rope_parameters?.rope_theta ?? hf.rope_theta ?? 10_000,
    rmsEps: hf.rms_norm_eps,
    isQkInterleaved: false,
    isTied: hf.tie_word_embeddings ?? false,
  };
  checkConfig(file, config, HF_KEYS);
  return config;
}

function refuseHfVariants(file: string, hf: HfConfig): void {
  const architecture = hf.architectures[0] ?? "";
  if (hf.architectures.length !== 1 || architecture !== "LlamaForCausalLM") {
    const problem = `architecture ${architecture.slice(0, 64)} is not supported; ${SUPPORTED}`;
    throw new ModelError(file, "architectures", problem);
  }
  const refusals: readonly (readonly [key: string, isRefused: boolean])[] = [
    ["rope_scaling", isScaled(hf.rope_scaling)],
    ["rope_parameters", isScaled(hf.rope_parameters)],
    ["partial_rotary_factor", (hf.partial_rotary_factor ?? 1) !== 1],
    ["hidden_act", (hf.hidden_act ?? "silu") !== "silu"],
    ["attention_bias", hf.attention_bias ?? false],
    ["mlp_bias", hf.mlp_bias ?? false],
    ["quantization_config", (hf.quantization_config ?? null) !== null],
  ];
  const refused = refusals.find(([, isRefused]) => isRefused)?.[0];
  if (refused === undefined) return;
  throw new ModelError(file, refused, "is set; this variant of llama is not supported");
}

function isScaled(rope: z.infer<typeof ropeSchema> | null | undefined): boolean {
  return (rope?.rope_type ?? rope?.type ?? "default") !== "default";
}

type Keys = Readonly<Partial<Record<keyof LlamaConfig, string>>>;
const GGUF_KEYS: Keys = {
  hiddenSize: "llama.embedding_length",
  layerCount: "llama.block_count",
  headCount: "llama.attention.head_count",
  kvHeadCount: "llama.attention.head_count_kv",
  headDim: "llama.attention.key_length",
  ffnSize: "llama.feed_forward_length",
  vocabSize: "token_embd.weight",
  contextTokens: "llama.context_length",
  ropeBase: "llama.rope.freq_base",
  rmsEps: "llama.attention.layer_norm_rms_epsilon",
};
const HF_KEYS: Keys = {
  hiddenSize: "hidden_size",
  layerCount: "num_hidden_layers",
  headCount: "num_attention_heads",
  kvHeadCount: "num_key_value_heads",
  headDim: "head_dim",
  ffnSize: "intermediate_size",
  vocabSize: "vocab_size",
  contextTokens: "max_position_embeddings",
  ropeBase: "rope_theta",
  rmsEps: "rms_norm_eps",
};

function checkConfig(file: string, config: LlamaConfig, keys: Keys): void {
  const fail = (field: keyof LlamaConfig, problem: string): never => {
    throw new ModelError(file, keys[field] ?? field, problem);
  };
  const sizes: readonly (readonly [keyof LlamaConfig, number, number])[] = [
    ["hiddenSize", config.hiddenSize, TENSOR_DIMENSION_MAX],
    ["layerCount", config.layerCount, LAYERS_MAX],
    ["headCount", config.headCount, HEADS_MAX],
    ["kvHeadCount", config.kvHeadCount, HEADS_MAX],
    ["headDim", config.headDim, HEAD_DIM_MAX],
    ["ffnSize", config.ffnSize, TENSOR_DIMENSION_MAX],
    ["vocabSize", config.vocabSize, TENSOR_DIMENSION_MAX],
    ["contextTokens", config.contextTokens, CONTEXT_TOKENS_MAX],
  ];
  for (const [field, value, max] of sizes) {
    if (!Number.isInteger(value) || value < 1 || value > max) {
      fail(field, `${value} is not an integer from 1 to ${max}`);
    }
  }
  if (config.headCount % config.kvHeadCount !== 0) {
    fail("kvHeadCount", `${config.kvHeadCount} does not divide ${config.headCount} heads`);
  }
  if (config.headDim % 2 !== 0) fail("headDim", `${config.headDim} is odd; rotary needs pairs`);
  if (!(config.ropeBase > 1 && config.ropeBase <= 1e12)) {
    fail("ropeBase", `${config.ropeBase} is not between 1 and 1e12`);
  }
  if (!(config.rmsEps > 0 && config.rmsEps <= 0.01)) {
    fail("rmsEps", `${config.rmsEps} is not between 0 and 0.01`);
  }
}
