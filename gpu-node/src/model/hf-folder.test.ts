import { isLongRun } from "@fairlane/testkit";
import { describe, expect, it } from "vitest";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ChatTemplate } from "../tokenize/chat-template.ts";
import { Tokenizer } from "../tokenize/tokenizer.ts";
import { openModel } from "./open-model.ts";
import { CorruptCopy, verdict } from "./testing/corrupt-copy.ts";
import { editJson, hfCopy, TINY_HF } from "./testing/hf-copy.ts";

/** One of so many bytes is flipped that the long run flips. */
const FLIP_STRIDE = isLongRun() ? 1 : 3;
const NO_CACHE = { cacheFolder: "/dev/null/none" };

/** What opening the fixture comes to after one field of a JSON file was changed (undefined = removed). */
async function verdictAfter(file: string, changes: Record<string, unknown>): Promise<string> {
  await using folder = await hfCopy();
  await editJson(folder.path, file, (json) => ({ ...json, ...changes }));
  return await verdict(() => openModel(folder.path, NO_CACHE));
}

describe("readHfFolder", () => {
  it("names the file that is missing", async () => {
    for (const name of ["config.json", "tokenizer.json", "model.safetensors"]) {
      await using folder = await hfCopy();
      await rm(join(folder.path, name));
      const opened = openModel(folder.path, NO_CACHE);
      await expect(opened).rejects.toThrow(name);
      await expect(opened).rejects.toMatchObject({ name: "ModelError", subject: "file" });
    }
  });

  it("refuses other architectures and variants that are not computed", async () => {
    const config = (changes: Record<string, unknown>) => verdictAfter("config.json", changes);
    expect(await config({ architectures: ["MixtralForCausalLM"] })).toBe("architectures");
    expect(await config({ architectures: [] })).toBe("architectures");
    expect(await config({ architectures: undefined })).toBe("architectures");
    expect(await config({ rope_scaling: { rope_type: "yarn", factor: 8 } })).toBe("rope_scaling");
    expect(await config({ rope_scaling: { type: "dynamic", factor: 2 } })).toBe("rope_scaling");
    expect(await config({ rope_parameters: { rope_type: "yarn" } })).toBe("rope_parameters");
    expect(await config({ attention_bias: true })).toBe("attention_bias");
    expect(await config({ mlp_bias: true })).toBe("mlp_bias");
    expect(await config({ hidden_act: "gelu" })).toBe("hidden_act");
    expect(await config({ partial_rotary_factor: 0.5 })).toBe("partial_rotary_factor");
    expect(await config({ quantization_config: { bits: 4 } })).toBe("quantization_config");
  });

  it("names the architecture that is not supported", async () => {
    await using folder = await hfCopy();
    await editJson(folder.path, "config.json", (json) => ({
      ...json,
      architectures: ["FalconForCausalLM"],
    }));
    await expect(openModel(folder.path, NO_CACHE)).rejects.toThrow(
      "architecture FalconForCausalLM is not supported; supported: llama",
    );
  });

  it("refuses sizes that cannot be, by the field's name", async () => {
    const config = (changes: Record<string, unknown>) => verdictAfter("config.json", changes);
    expect(await config({ hidden_size: 0 })).toBe("hidden_size");
    expect(await config({ hidden_size: "64" })).toBe("hidden_size");
    expect(await config({ num_hidden_layers: 1e9 })).toBe("num_hidden_layers");
    expect(await config({ num_attention_heads: undefined })).toBe("num_attention_heads");
    expect(await config({ num_key_value_heads: 3 })).toBe("num_key_value_heads");
    expect(await config({ head_dim: 15 })).toBe("head_dim");
    expect(await config({ head_dim: undefined, num_attention_heads: 6 })).toBe("head_dim");
    expect(await config({ rms_norm_eps: 0 })).toBe("rms_norm_eps");
    expect(await config({ rope_theta: -1 })).toBe("rope_theta");
    expect(await config({ max_position_embeddings: 2 ** 31 })).toBe("max_position_embeddings");
    expect(await config({ eos_token_id: 512 })).toBe("token ids");
    expect(await config({ eos_token_id: "2" })).toBe("eos_token_id");
  });

  it("names the tensor that is missing, too many, or of another shape", async () => {
    const config = (changes: Record<string, unknown>) => verdictAfter("config.json", changes);
    expect(await config({ num_hidden_layers: 3 })).toBe("model.layers.2.input_layernorm.weight");
    expect(await config({ num_hidden_layers: 1 })).toBe("model.layers.1.input_layernorm.weight");
    expect(await config({ tie_word_embeddings: false })).toBe("lm_head.weight");
    expect(await config({ intermediate_size: 161 })).toBe("model.layers.0.mlp.gate_proj.weight");
    expect(await config({ vocab_size: 513 })).toBe("model.embed_tokens.weight");
    expect(await config({ num_key_value_heads: 4 })).toBe("model.layers.0.self_attn.k_proj.weight");
  });

  it("takes rope_parameters of newer configurations", async () => {
    await using folder = await hfCopy();
    await editJson(folder.path, "config.json", ({ rope_theta: _, ...json }) => ({
      ...json,
      rope_parameters: { rope_type: "default", rope_theta: 50_000 },
    }));
    const { config } = await openModel(folder.path, NO_CACHE);
    expect(config.ropeBase).toBe(50_000);
  });

  it("prefers chat_template.jinja, and takes the default of several templates", async () => {
    await using folder = await hfCopy();
    await editJson(folder.path, "tokenizer_config.json", (json) => ({
      ...json,
      chat_template: [
        { name: "tool_use", template: "no" },
        { name: "default", template: "yes" },
      ],
    }));
    const first = await openModel(folder.path, NO_CACHE);
    expect(first.chatTemplate?.text).toBe("yes");
    await writeFile(join(folder.path, "chat_template.jinja"), "file");
    const second = await openModel(folder.path, NO_CACHE);
    expect(second.chatTemplate?.text).toBe("file");
    expect(second.digest).not.toBe(first.digest);
  });

  it("joins the end tokens of all files", async () => {
    await using folder = await hfCopy();
    await writeFile(
      join(folder.path, "generation_config.json"),
      JSON.stringify({ eos_token_id: [0, 2] }),
    );
    const model = await openModel(folder.path, NO_CACHE);
    expect(model.eosTokenIds).toEqual([2, 0]);
    expect(model.bosTokenId).toBe(1);
  });

  it("refuses a model whose answers would never end", async () => {
    await using folder = await hfCopy();
    await rm(join(folder.path, "tokenizer_config.json"));
    await editJson(folder.path, "config.json", ({ eos_token_id: _, ...json }) => json);
    expect(await verdict(() => openModel(folder.path, NO_CACHE))).toBe("end token");
  });

  it("never breaks, whichever byte of a JSON file is flipped or wherever it is cut", async () => {
    const open = async (folder: string) => {
      const model = await openModel(folder, NO_CACHE);
      const tokenizer = new Tokenizer(model.tokenizerSource);
      tokenizer.decode(tokenizer.encode("Hello 12 <|im_end|> é", { specialTokens: "parse" }));
      if (model.chatTemplate) new ChatTemplate(model.chatTemplate, { nowMs: () => 0 });
    };
    const strides = { "config.json": 1, "tokenizer_config.json": 1, "tokenizer.json": 13 };
    for (const [name, stride] of Object.entries(strides)) {
      await using folder = await hfCopy();
      const copy = await CorruptCopy.make(join(TINY_HF, name), folder.path);
      const length = copy.original.length;
      for (let offset = 0; offset < length; offset += stride * FLIP_STRIDE) {
        await copy.withFlip(offset, offset % 2 ? 0xff : 0x02, () =>
          verdict(() => open(folder.path)),
        );
      }
      // The last byte is a line feed.
      for (let cut = length - 2; cut >= 0; cut -= Math.ceil(length / 200)) {
        await copy.cut(cut);
        expect(await verdict(() => open(folder.path)), `${name} cut to ${cut}`).not.toBe("opened");
      }
      await copy.close();
    }
  }, 120_000);
});
