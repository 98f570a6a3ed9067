// Owns the shape of a model of the Llama family and the checks of its numbers; llama-config-gguf.ts and
// llama-config-hf.ts read it. A LlamaConfig that passed checkConfig is consistent in itself.
import {
  CONTEXT_TOKENS_MAX,
  HEAD_DIM_MAX,
  HEADS_MAX,
  LAYERS_MAX,
  TENSOR_DIMENSION_MAX,
} from "./limits.ts";
import { ModelError } from "./model-error.ts";

/** The members of the family. Qwen2 has a bias on q, k and v; Qwen3 norms each query and key head. */
export type LlamaArchitecture = "llama" | "qwen2" | "qwen3";

/** How rotary angles are slowed for contexts longer than the model was first trained for. */
export type RopeScaling =
  | { readonly kind: "linear"; readonly factor: number }
  | {
      readonly kind: "llama3";
      readonly factor: number;
      readonly lowFrequency: number;
      readonly highFrequency: number;
      readonly originalContextTokens: number;
    }
  /** The file carries a divisor for each frequency (GGUF). */
  | { readonly kind: "divisors" };

/** Attention that sees only the latest positions. */
export interface AttentionWindow {
  /** Positions that a token sees, its own included. */
  readonly tokens: number;
  /** This layer and those above have the window, those below see all. */
  readonly firstLayer: number;
}

export interface LlamaConfig {
  readonly architecture: LlamaArchitecture;
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
  readonly ropeScaling?: RopeScaling;
  readonly rmsEps: number;
  /** Absent: every layer sees all positions. */
  readonly window?: AttentionWindow;
  /** q and k rows of each head are stored for interleaved rotary pairs (GGUF llama files). */
  readonly isQkInterleaved: boolean;
  /** The output projection is the embedding. */
  readonly isTied: boolean;
}

export const SUPPORTED_ARCHITECTURES = "supported: llama, mistral, qwen2, qwen3";

/** Layers of each KV group, in the engine's order: layers with the same window share pages. */
export function kvGroupLayers({ layerCount, window }: LlamaConfig): readonly number[] {
  if (window === undefined || window.firstLayer === 0) return [layerCount];
  return [window.firstLayer, layerCount - window.firstLayer];
}

/** How a file calls the fields, for errors that a reader can look up. */
export type ConfigKeys = Readonly<Partial<Record<keyof LlamaConfig, string>>>;

/** Throws ModelError naming the file's key of the first number that is out of range or does not fit the others. */
export function checkConfig(file: string, config: LlamaConfig, keys: ConfigKeys): void {
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
  if (config.ropeScaling && !isSound(config.ropeScaling)) {
    fail("ropeScaling", "has numbers that do not fit together");
  }
  const { window, layerCount } = config;
  if (window !== undefined) {
    const { tokens, firstLayer } = window;
    const isWindow = Number.isInteger(tokens) && tokens >= 1 && tokens <= CONTEXT_TOKENS_MAX;
    if (!isWindow) fail("window", `${tokens} is not an integer from 1 to ${CONTEXT_TOKENS_MAX}`);
    if (!(Number.isInteger(firstLayer) && firstLayer >= 0 && firstLayer < layerCount)) {
      fail("window", `begins in layer ${firstLayer} of ${layerCount}`);
    }
  }
  if (!(config.rmsEps > 0 && config.rmsEps <= 0.01)) {
    fail("rmsEps", `${config.rmsEps} is not between 0 and 0.01`);
  }
}

function isSound(scaling: RopeScaling): boolean {
  if (scaling.kind === "divisors") return true;
  if (!(scaling.factor >= 1 && scaling.factor <= 1024)) return false;
  if (scaling.kind === "linear") return true;
  const { lowFrequency, highFrequency, originalContextTokens } = scaling;
  const isContext = Number.isInteger(originalContextTokens) && originalContextTokens >= 1;
  return (
    isContext &&
    originalContextTokens <= CONTEXT_TOKENS_MAX &&
    lowFrequency > 0 &&
    highFrequency > lowFrequency &&
    highFrequency <= 1024
  );
}
