// Owns reading the shape of a Llama-family model from GGUF metadata, refusing every variant that the core does
// not compute.
import type { GgufMetadata } from "./gguf.ts";
import {
  checkConfig,
  SUPPORTED_ARCHITECTURES,
  type ConfigKeys,
  type LlamaArchitecture,
  type LlamaConfig,
} from "./llama-config.ts";
import { ModelError } from "./model-error.ts";

const WINDOW_KEY = "attention.sliding_window";

/**
 * Reads the configuration of a GGUF file.
 * @param embeddingRows rows of token_embd.weight, or undefined when the tensor is missing
 */
export function llamaConfigOfGguf(
  file: string,
  metadata: GgufMetadata,
  tensors: {
    readonly embeddingRows: number | undefined;
    readonly hasOutput: boolean;
    readonly hasRopeDivisors: boolean;
  },
): LlamaConfig {
  const architecture = readArchitecture(file, metadata);
  refuseGgufVariants(file, metadata, architecture);
  const keyOf = (key: string) => `${architecture}.${key}`;
  const number = (key: string) => metadata.number(keyOf(key));
  const needed = (key: string) => metadata.required(keyOf(key), number(key));
  const hiddenSize = needed("embedding_length");
  const headCount = needed("attention.head_count");
  const headDim = number("attention.key_length") ?? hiddenSize / headCount;
  const vocabSize = metadata.required("token_embd.weight", tensors.embeddingRows);
  const declared = number("vocab_size");
  if (declared !== undefined && declared !== vocabSize) {
    const problem = `${declared} differs from the ${vocabSize} rows of token_embd.weight`;
    throw new ModelError(file, keyOf("vocab_size"), problem);
  }
  const config: LlamaConfig = {
    architecture,
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
    ...readWindow(metadata, architecture),
    ...readRopeScaling(file, { metadata, keyOf, hasDivisors: tensors.hasRopeDivisors }),
    isQkInterleaved: architecture === "llama",
    isTied: !tensors.hasOutput,
  };
  checkConfig(file, config, keysOf(keyOf));
  for (const key of ["attention.value_length", "rope.dimension_count"]) {
    const value = number(key) ?? headDim;
    if (value === headDim) continue;
    const problem = `${value} differs from the head size ${headDim}; this variant is not supported`;
    throw new ModelError(file, keyOf(key), problem);
  }
  return config;
}

function readArchitecture(file: string, metadata: GgufMetadata): LlamaArchitecture {
  const key = "general.architecture";
  const name = metadata.required(key, metadata.text(key));
  if (name === "llama" || name === "qwen2" || name === "qwen3") return name;
  const problem = `architecture ${name.slice(0, 64)} is not supported; ${SUPPORTED_ARCHITECTURES}`;
  throw new ModelError(file, key, problem);
}

/** Mistral's files call themselves llama; the window is in all layers. */
function readWindow(
  metadata: GgufMetadata,
  architecture: LlamaArchitecture,
): Pick<LlamaConfig, "window"> {
  const tokens = metadata.number(`${architecture}.${WINDOW_KEY}`) ?? 0;
  return tokens === 0 ? {} : { window: { tokens, firstLayer: 0 } };
}

/** Linear scaling by a factor, or a table of divisors; both at once, or any other kind, is refused. */
function readRopeScaling(
  file: string,
  from: {
    readonly metadata: GgufMetadata;
    readonly keyOf: (key: string) => string;
    readonly hasDivisors: boolean;
  },
): Pick<LlamaConfig, "ropeScaling"> {
  const { metadata, keyOf, hasDivisors } = from;
  const key = keyOf("rope.scaling.type");
  const kind = metadata.text(key) ?? "linear";
  const stated =
    metadata.number(keyOf("rope.scaling.factor")) ?? metadata.number(keyOf("rope.scale_linear"));
  // Some converters write 0 for none.
  const factor = stated === undefined || stated === 0 ? 1 : stated;
  const isLinear = factor !== 1;
  if (!["none", "linear"].includes(kind) || (isLinear && (kind === "none" || hasDivisors))) {
    const problem = `${kind.slice(0, 64)} with the factor ${factor} is not supported here; supported: linear`;
    throw new ModelError(file, key, problem);
  }
  if (hasDivisors) return { ropeScaling: { kind: "divisors" } };
  return isLinear ? { ropeScaling: { kind: "linear", factor } } : {};
}

function refuseGgufVariants(
  file: string,
  metadata: GgufMetadata,
  architecture: LlamaArchitecture,
): void {
  const refuse = (key: string, problem: string): never => {
    throw new ModelError(file, key, `${problem}; this variant of ${architecture} is not supported`);
  };
  const isSet = (key: string): boolean => (metadata.number(key) ?? 0) !== 0;
  const keyOf = (name: string) => `${architecture}.${name}`;
  const experts = keyOf("expert_count");
  const window = keyOf(WINDOW_KEY);
  const pattern = `${window}_pattern`;
  if (isSet(experts)) refuse(experts, "the model is a mixture of experts");
  // Which layers have it, files of Qwen do not say.
  if (architecture !== "llama" && isSet(window)) refuse(window, "attention has a sliding window");
  if (metadata.has(pattern)) refuse(pattern, "some layers have a sliding window");
}

function keysOf(keyOf: (key: string) => string): ConfigKeys {
  return {
    hiddenSize: keyOf("embedding_length"),
    layerCount: keyOf("block_count"),
    headCount: keyOf("attention.head_count"),
    kvHeadCount: keyOf("attention.head_count_kv"),
    headDim: keyOf("attention.key_length"),
    ffnSize: keyOf("feed_forward_length"),
    vocabSize: "token_embd.weight",
    contextTokens: keyOf("context_length"),
    ropeBase: keyOf("rope.freq_base"),
    ropeScaling: keyOf("rope.scaling.factor"),
    rmsEps: keyOf("attention.layer_norm_rms_epsilon"),
    window: keyOf(WINDOW_KEY),
  };
}
