import { cp } from "node:fs/promises";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { openModel } from "./open-model.ts";
import { CorruptCopy, temporaryFolder, verdict } from "./testing/corrupt-copy.ts";
import { editJson } from "./testing/hf-copy.ts";

const FIXTURES = resolve(import.meta.dirname, "../../../test/fixtures/tiny-qwen");
const NO_CACHE = { cacheFolder: "/dev/null/none" };
const open = (name: string) => openModel(join(FIXTURES, name), NO_CACHE);

async function refusalOf(fixture: string, changes: Readonly<Record<string, unknown>>) {
  await using folder = await temporaryFolder();
  await cp(join(FIXTURES, fixture), folder.path, { recursive: true });
  await editJson(folder.path, "config.json", (json) => ({ ...json, ...changes }));
  return await verdict(() => openModel(folder.path, NO_CACHE));
}

describe("openModel on Qwen", () => {
  it("describes Qwen2 alike from GGUF and from a Hugging Face folder", async () => {
    const gguf = await open("tiny-qwen2-f16.gguf");
    const hf = await open("qwen2-hf");
    expect(gguf.config).toMatchObject({
      architecture: "qwen2",
      headDim: 16,
      ropeBase: 1_000_000,
      isQkInterleaved: false,
      isTied: false,
    });
    expect(hf.config).toEqual({ ...gguf.config, rmsEps: 1e-6 });
    for (const { manifestText } of [gguf, hf]) {
      expect(manifestText).toMatch(/^arch qwen2$/m);
      expect(manifestText).toMatch(/^tensor layers\.1\.q_bias \w+ 1 64 /m);
      expect(manifestText).toMatch(/^tensor layers\.1\.v_bias \w+ 1 32 /m);
      expect(manifestText).not.toContain("norm f32 1 16");
    }
  });

  it("describes Qwen3 alike from GGUF and from a Hugging Face folder", async () => {
    const gguf = await open("tiny-qwen3-f16.gguf");
    const hf = await open("qwen3-hf");
    expect(gguf.config).toMatchObject({ architecture: "qwen3", headDim: 32, isTied: true });
    expect(hf.config).toEqual({ ...gguf.config, rmsEps: 1e-6 });
    for (const { manifestText } of [gguf, hf]) {
      expect(manifestText).toMatch(/^tensor layers\.0\.q_norm \w+ 1 32 /m);
      expect(manifestText).toMatch(/^tensor layers\.0\.k_norm \w+ 1 32 /m);
      expect(manifestText).not.toContain("_bias");
    }
  });

  it("refuses what the core does not compute, by its key", async () => {
    const layerTypes = { layer_types: ["full_attention", "sliding_attention"] };
    expect(await refusalOf("qwen3-hf", layerTypes)).toBe("layer_types");
    const mixed = { use_sliding_window: true, layer_types: layerTypes.layer_types.toReversed() };
    expect(await refusalOf("qwen2-hf", mixed)).toBe("layer_types");
    expect(await refusalOf("qwen3-hf", { attention_bias: true })).toBe("attention_bias");
    expect(await refusalOf("qwen2-hf", { rope_scaling: { rope_type: "yarn" } })).toBe(
      "rope_scaling",
    );
  });

  it("refuses one architecture's tensors under another's name", async () => {
    expect(await refusalOf("qwen2-hf", { architectures: ["LlamaForCausalLM"] })).toBe(
      "model.layers.0.self_attn.k_proj.bias",
    );
    expect(await refusalOf("qwen3-hf", { architectures: ["Qwen2ForCausalLM"] })).toBe(
      "model.layers.0.self_attn.q_proj.bias",
    );
    // Without a head size, Qwen3 has heads of 128 values.
    expect(await refusalOf("qwen3-hf", { head_dim: null })).toBe(
      "model.layers.0.self_attn.q_proj.weight",
    );
  });

  it("names GGUF keys with the architecture's prefix", async () => {
    await using folder = await temporaryFolder();
    const copy = await CorruptCopy.make(join(FIXTURES, "tiny-qwen3-f16.gguf"), folder.path);
    const key = "qwen3.embedding_length";
    // A metadata value follows its key and 4 bytes of type.
    const refused = await copy.withBytes(copy.find(key) + key.length + 4, Buffer.alloc(4), () =>
      verdict(() => openModel(copy.path, NO_CACHE)),
    );
    expect(refused).toBe(key);
    await copy.close();
  });
});
