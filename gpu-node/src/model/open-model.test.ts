import { describe, expect, it } from "vitest";
import { copyFile, readFile, stat, writeFile } from "node:fs/promises";
import { createHash } from "node:crypto";
import { join, resolve } from "node:path";
import { writeManifest } from "./manifest.ts";
import { openModel } from "./open-model.ts";
import { CorruptCopy, temporaryFolder, verdict } from "./testing/corrupt-copy.ts";

const FIXTURES = resolve(import.meta.dirname, "../../../test/fixtures");
const TINY = join(FIXTURES, "tiny-llama/tiny-llama.gguf");
const NO_CACHE = { cacheFolder: "/dev/null/none" };

describe("openModel", () => {
  it("describes the tiny model alike from GGUF and from a Hugging Face folder", async () => {
    const gguf = await openModel(join(FIXTURES, "tiny-llama/tiny-llama-f16.gguf"), NO_CACHE);
    const hf = await openModel(join(FIXTURES, "tiny-llama/hf"), NO_CACHE);
    expect(gguf.config).toEqual({
      architecture: "llama",
      hiddenSize: 64,
      layerCount: 2,
      headCount: 4,
      kvHeadCount: 2,
      headDim: 16,
      ffnSize: 160,
      vocabSize: 512,
      contextTokens: 512,
      ropeBase: 10_000,
      rmsEps: Math.fround(1e-5),
      isQkInterleaved: true,
      isTied: true,
    });
    expect(hf.config).toEqual({ ...gguf.config, rmsEps: 1e-5, isQkInterleaved: false });
    for (const model of [gguf, hf]) {
      expect(model.contextTokens).toBe(512);
      expect(model.eosTokenIds).toEqual([2]);
      expect(model.bosTokenId).toBe(1);
      expect(model.chatTemplate).toMatchObject({
        bosToken: "<|im_start|>",
        eosToken: "<|im_end|>",
      });
    }
    expect(gguf.id).toBe("tiny-llama");
    expect(gguf.chatTemplate?.text).toBe(hf.chatTemplate?.text);
    expect(gguf.tokenizerSource.definition.model.vocab).toEqual(
      hf.tokenizerSource.definition.model.vocab,
    );
  });

  it("knows an untied output projection", async () => {
    const model = await openModel(join(FIXTURES, "tiny-llama/tiny-llama-mixed.gguf"), NO_CACHE);
    expect(model.config.isTied).toBe(false);
    expect(model.manifestText).toMatch(/^tensor output q8_0 2 512 64 0 /m);
  });

  it("writes the manifest of native/MANIFEST.md", async () => {
    const model = await openModel(TINY, NO_CACHE);
    await using folder = await temporaryFolder();
    const path = join(folder.path, "new/model.manifest");
    await writeManifest(model, path);
    const lines = (await readFile(path, "utf8")).split("\n");
    expect(lines.slice(0, 18)).toEqual([
      "fairlane-manifest 1",
      "arch llama",
      "param hidden 64",
      "param layers 2",
      "param heads 4",
      "param kv_heads 2",
      "param head_dim 16",
      "param ffn 160",
      "param vocab 512",
      "param context 512",
      "param rope_base 10000",
      "param rms_eps 0.000009999999747378752",
      "param qk_interleaved 1",
      `file 0 103200 ${TINY}`,
      "tensor token_embedding q8_0 2 512 64 0 13344 34816",
      "tensor layers.0.attention_norm f32 1 64 0 48160 256",
      "tensor layers.0.q q4_1 2 64 64 0 48416 2560",
      "tensor layers.0.k q4_1 2 32 64 0 50976 1280",
    ]);
    expect(lines.slice(-4)).toEqual([
      "tensor layers.1.down q4_1 2 64 160 0 96544 6400",
      "tensor output_norm f32 1 64 0 102944 256",
      "end 20",
      "",
    ]);
  });

  it("uses the file's own SHA-256 as digest, wherever the file lies", async () => {
    await using folder = await temporaryFolder();
    const copy = join(folder.path, "Renamed.Q4_1.gguf");
    await copyFile(TINY, copy);
    const cacheFolder = join(folder.path, "cache");
    const sha256 = createHash("sha256")
      .update(await readFile(TINY))
      .digest("hex");
    const model = await openModel(copy, { cacheFolder });
    expect(model.digest).toBe(sha256);
    expect(model.id).toBe("renamed");
    expect((await openModel(copy, { cacheFolder })).digest).toBe(sha256);
  });

  it("refuses another architecture by its name", async () => {
    const opened = openModel(join(FIXTURES, "bad-models/bert-header.gguf"), NO_CACHE);
    await expect(opened).rejects.toThrow(
      "architecture bert is not supported; supported: llama, mistral, qwen2, qwen3",
    );
    await expect(opened).rejects.toMatchObject({
      name: "ModelError",
      subject: "general.architecture",
    });
  });

  it("refuses what is no model", async () => {
    await using folder = await temporaryFolder();
    expect(await verdict(() => openModel(join(folder.path, "absent"), NO_CACHE))).toBe("file");
    expect(await verdict(() => openModel(folder.path, NO_CACHE))).toBe("file");
    await writeFile(join(folder.path, "text.gguf"), "this is no model");
    expect(await verdict(() => openModel(join(folder.path, "text.gguf"), NO_CACHE))).toBe("magic");
    const broken = join(folder.path, "line\nbreak.gguf");
    await copyFile(TINY, broken);
    expect(await verdict(() => openModel(broken, NO_CACHE))).toBe("path");
  });

  it("refuses GGUF metadata that does not fit, by the key's name", async () => {
    await using folder = await temporaryFolder();
    const copy = await CorruptCopy.make(TINY, folder.path);
    // A metadata value follows its key and 4 bytes of type.
    const setU32 = async (key: string, value: number) => {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32LE(value);
      const read = () => verdict(() => openModel(copy.path, NO_CACHE));
      return await copy.withBytes(copy.find(key) + key.length + 4, bytes, read);
    };
    for (const [key, value] of [
      ["llama.embedding_length", 0],
      ["llama.block_count", 1_025],
      ["llama.attention.head_count", 0],
      ["llama.context_length", 0xffff_ffff],
      ["llama.rope.dimension_count", 8],
      ["llama.vocab_size", 511],
      ["llama.feed_forward_length", 0],
      ["tokenizer.ggml.eos_token_id", 512],
      ["tokenizer.ggml.bos_token_id", 0xffff_ffff],
    ] as const) {
      expect(await setU32(key, value), key).toBe(key);
    }
    expect(await setU32("llama.attention.head_count_kv", 3)).toBe("llama.attention.head_count_kv");
    expect(await setU32("llama.block_count", 3)).toBe("blk.2.attn_norm.weight");
    expect(await setU32("llama.block_count", 1)).toBe("blk.1.attn_norm.weight");
    expect(await setU32("llama.feed_forward_length", 161)).toBe("blk.0.ffn_gate.weight");
    await copy.close();
  });

  it("says which metadata key is missing", async () => {
    await using folder = await temporaryFolder();
    const copy = await CorruptCopy.make(TINY, folder.path);
    for (const key of [
      "general.architecture",
      "llama.block_count",
      "llama.attention.layer_norm_rms_epsilon",
      "tokenizer.ggml.model",
      "tokenizer.ggml.pre",
      "tokenizer.ggml.token_type",
      "tokenizer.ggml.merges",
    ]) {
      const renamed = Buffer.from(key.replace(/.$/, "?"));
      const read = () => verdict(() => openModel(copy.path, NO_CACHE));
      expect(await copy.withBytes(copy.find(key), renamed, read)).toBe(key);
    }
    await copy.close();
  });
});

describe("fileDigest, through openModel", () => {
  it("keeps a stamp and does not trust it once the file has changed", async () => {
    await using folder = await temporaryFolder();
    const cacheFolder = join(folder.path, "cache");
    const copy = await CorruptCopy.make(TINY, folder.path);
    const before = (await openModel(copy.path, { cacheFolder })).digest;
    const stampStat = await stat(join(cacheFolder, "digests"));
    expect(stampStat.isDirectory()).toBe(true);
    // A weight changes; size and name stay.
    const changed = await copy.withFlip(50_000, 0xff, async () => {
      return (await openModel(copy.path, { cacheFolder })).digest;
    });
    expect(changed).not.toBe(before);
    expect((await openModel(copy.path, { cacheFolder })).digest).toBe(before);
    await copy.close();
  });
});
