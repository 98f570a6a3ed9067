import { describe, expect, it } from "vitest";
import { GgufMetadata } from "./gguf.ts";
import { llamaConfigOfGguf } from "./llama-config-gguf.ts";
import { llamaConfigOfHf } from "./llama-config-hf.ts";
import { manifestText } from "./manifest.ts";
import { verdict } from "./testing/corrupt-copy.ts";

const GGUF = {
  "general.architecture": "llama",
  "llama.embedding_length": 64,
  "llama.attention.head_count": 4,
  "llama.block_count": 1,
  "llama.feed_forward_length": 96,
  "llama.context_length": 512,
  "llama.attention.layer_norm_rms_epsilon": 1e-5,
};
const HF = {
  architectures: ["LlamaForCausalLM"],
  hidden_size: 64,
  num_hidden_layers: 1,
  num_attention_heads: 4,
  intermediate_size: 96,
  vocab_size: 512,
  max_position_embeddings: 512,
  rms_norm_eps: 1e-5,
};
const LLAMA3 = {
  rope_type: "llama3",
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 64,
};

type Fields = Readonly<Record<string, unknown>>;
const ofGguf = (changes: Fields, hasRopeDivisors = false) =>
  llamaConfigOfGguf("f", new GgufMetadata("f", { ...GGUF, ...changes }), {
    embeddingRows: 512,
    hasOutput: false,
    hasRopeDivisors,
  });
const ofHf = (ropeScaling: Fields) => llamaConfigOfHf("f", { ...HF, rope_scaling: ropeScaling });
const ggufRefusal = (changes: Fields, hasRopeDivisors = false) =>
  verdict(() => Promise.resolve().then(() => ofGguf(changes, hasRopeDivisors)));
const hfRefusal = (ropeScaling: Fields) =>
  verdict(() => Promise.resolve().then(() => ofHf(ropeScaling)));

describe("rope scaling", () => {
  it("is read from GGUF: a factor under either name, or a table", () => {
    const linear = { kind: "linear", factor: 4 };
    const type = { "llama.rope.scaling.type": "linear" };
    expect(ofGguf({}).ropeScaling).toBeUndefined();
    expect(ofGguf({ "llama.rope.scaling.type": "none" }).ropeScaling).toBeUndefined();
    expect(ofGguf({ ...type, "llama.rope.scaling.factor": 0 }).ropeScaling).toBeUndefined();
    expect(ofGguf({ ...type, "llama.rope.scaling.factor": 4 }).ropeScaling).toEqual(linear);
    expect(ofGguf({ "llama.rope.scale_linear": 4 }).ropeScaling).toEqual(linear);
    expect(ofGguf({}, true).ropeScaling).toEqual({ kind: "divisors" });
  });

  it("is refused in GGUF where the core does not compute it", async () => {
    const type = "llama.rope.scaling.type";
    const factor = "llama.rope.scaling.factor";
    expect(await ggufRefusal({ [type]: "yarn", [factor]: 4 })).toBe(type);
    expect(await ggufRefusal({ [type]: "none", [factor]: 4 })).toBe(type);
    expect(await ggufRefusal({ [type]: "linear", [factor]: 4 }, true)).toBe(type);
    expect(await ggufRefusal({ [type]: "linear", [factor]: 0.5 })).toBe(factor);
  });

  it("is read from config.json and written to the manifest", () => {
    const config = ofHf(LLAMA3);
    expect(config.ropeScaling).toEqual({
      kind: "llama3",
      factor: 8,
      lowFrequency: 1,
      highFrequency: 4,
      originalContextTokens: 64,
    });
    const lines = (from: typeof config) =>
      manifestText({ config: from, files: [], tensors: [] })
        .split("\n")
        .filter((line) => /rope_(?!base)/.test(line));
    expect(lines(config)).toEqual([
      "param rope_factor 8",
      "param rope_low_frequency 1",
      "param rope_high_frequency 4",
      "param rope_original_context 64",
    ]);
    expect(lines(ofHf({ type: "linear", factor: 2 }))).toEqual(["param rope_factor 2"]);
    expect(lines(ofHf({ rope_type: "default" }))).toEqual([]);
  });

  it("is refused in config.json where it is incomplete, unsound or of another kind", async () => {
    expect(await hfRefusal({ rope_type: "linear" })).toBe("rope_scaling.factor");
    const { low_freq_factor: _, ...noLow } = LLAMA3;
    expect(await hfRefusal(noLow)).toBe("rope_scaling.low_freq_factor");
    expect(await hfRefusal({ ...LLAMA3, high_freq_factor: 1 })).toBe("rope_scaling");
    expect(await hfRefusal({ ...LLAMA3, original_max_position_embeddings: 0 })).toBe(
      "rope_scaling",
    );
    expect(await hfRefusal({ rope_type: "yarn", factor: 4 })).toBe("rope_scaling");
  });
});
