import { readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../model/testing/corrupt-copy.ts";
import { PeftError } from "./peft-error.ts";
import { readAdapter } from "./read-adapter.ts";
import { ALL_LINEAR, TINY_BASE, writePeft, type PeftDraft } from "./testing/peft-folder.ts";

async function read(options: PeftDraft = {}) {
  await using folder = await temporaryFolder();
  await writePeft(folder.path, options);
  return await readAdapter(folder.path, TINY_BASE);
}

/** The field that the refusal names, and its message. */
async function refusal(damage: (folder: string) => Promise<void>, options: PeftDraft = {}) {
  await using folder = await temporaryFolder();
  await writePeft(folder.path, options);
  await damage(folder.path);
  const error: unknown = await readAdapter(folder.path, TINY_BASE).catch(
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof PeftError)) throw new Error("not refused", { cause: error });
  expect(error.message).not.toContain(folder.path);
  return `${error.field}: ${error.message}`;
}

const none = () => Promise.resolve();
const q0 = "base_model.model.model.layers.0.self_attn.q_proj";

/** Rewrites the header of the weights in place of its old text, of the same length. */
async function replaceInWeights(folder: string, from: string, to: string): Promise<void> {
  expect(to).toHaveLength(from.length);
  const path = join(folder, "adapter_model.safetensors");
  const bytes = await readFile(path);
  const at = bytes.indexOf(from);
  expect(at).toBeGreaterThan(0);
  bytes.write(to, at, "latin1");
  await writeFile(path, bytes);
}

describe("readAdapter", () => {
  it("reads what PEFT writes: modules in order, with rank and scaling", async () => {
    const { modules, digest } = await read();
    expect(digest).toMatch(/^[0-9a-f]{64}$/);
    expect(modules.map(({ layer, target }) => `${layer} ${target}`)).toEqual([
      "0 q",
      "0 v",
      "1 q",
      "1 v",
    ]);
    expect(modules[1]).toMatchObject({
      rank: 8,
      scaling: 2,
      a: { dims: [8, 64], type: "f32" },
      b: { dims: [32, 8] },
    });
  });

  it.each(["F32", "F16", "BF16"] as const)("reads all linear layers in %s", async (dtype) => {
    const { modules } = await read({ targets: ALL_LINEAR, dtype });
    expect(modules).toHaveLength(14);
    expect(modules[13]).toMatchObject({ layer: 1, target: "down", a: { dims: [8, 160] } });
  });

  it.each([1, 5, 16, 256])("reads rank %d", async (rank) => {
    const { modules } = await read({ rank, alpha: 2 * rank });
    expect(modules[0]).toMatchObject({ rank, scaling: 2 });
  });

  it("scales by alpha / sqrt(rank) where it is rank-stabilised", async () => {
    const { modules } = await read({ rank: 16, alpha: 8, config: { use_rslora: true } });
    expect(modules[0]?.scaling).toBe(2);
  });

  it("takes ranks and alphas of single modules by name, by end and by expression", async () => {
    const { modules } = await read({
      rank: 8,
      alpha: 16,
      rankOf: (name) => (name === "model.layers.1.self_attn.v_proj" ? 4 : undefined),
      config: {
        rank_pattern: { "model.layers.1.self_attn.v_proj": 4 },
        alpha_pattern: { "^model.layers.0.self_attn.q_proj": 8, ".*\\.(q|k)_proj": 32 },
      },
    });
    expect(modules.map(({ rank, scaling }) => [rank, scaling])).toEqual([
      [8, 1],
      [8, 2],
      [8, 4],
      [4, 4],
    ]);
  });

  it("takes a regular expression or all-linear as targets from what the file has", async () => {
    const byExpression = { target_modules: ".*\\.(self_attn|mlp)\\..*_proj" };
    expect((await read({ targets: ALL_LINEAR, config: byExpression })).modules).toHaveLength(14);
    const all = { target_modules: "all-linear" };
    expect((await read({ targets: ALL_LINEAR, config: all })).modules).toHaveLength(14);
  });

  it("takes some layers only", async () => {
    const text = await refusal(none, { config: { layers_to_transform: [0] } });
    expect(text).toContain("layers_to_transform: does not name layer 1");
  });

  it("knows an adapter by its content", async () => {
    const [one, same, other] = [await read(), await read(), await read({ seed: 2 })];
    expect(same.digest).toBe(one.digest);
    expect(other.digest).not.toBe(one.digest);
    expect((await read({ alpha: 17 })).digest).not.toBe(one.digest);
  });

  it.each([
    ["use_dora", { use_dora: true }, "DoRA is not supported"],
    ["bias", { bias: "lora_only" }, '"lora_only" is not supported'],
    ["lora_bias", { lora_bias: true }, "bias is not supported"],
    ["modules_to_save", { modules_to_save: ["lm_head"] }, "modules trained in full"],
    ["fan_in_fan_out", { fan_in_fan_out: true }, "Conv1D"],
    ["peft_type", { peft_type: "LOHA" }, "only LORA is supported"],
    ["r", { r: 0 }, "must be at least 1"],
    ["r", { r: 257 }, "must be at most 256"],
    ["r", { r: "8" }, "expected number"],
    ["lora_alpha", { lora_alpha: -1 }, "must not be negative"],
    ["target_modules", { target_modules: [1] }, "must be a list of names"],
    [
      "target_modules",
      { target_modules: ["q_proj", "v_proj", "lm_head"] },
      "'lm_head' is no linear",
    ],
    [
      "target_modules",
      { target_modules: ["q_proj"] },
      "does not name model.layers.0.self_attn.v_proj",
    ],
    ["rank_pattern", { rank_pattern: { "(a+)+": 4 } }, "repeats a group"],
    ["alpha_pattern", { alpha_pattern: { "(?=a)": 4 } }, "looks around"],
    ["alpha_pattern", { alpha_pattern: { "a?a?a?a?": 4 } }, "more than 3 repetitions"],
    ["alpha_pattern", { alpha_pattern: { "[": 4 } }, "cannot be read"],
    ["rank_pattern.q_proj", { rank_pattern: { q_proj: 999 } }, "must be at most 256"],
  ])("refuses a config by its field %s: %j", async (field, config, problem) => {
    const text = await refusal(none, { config });
    expect(text).toContain(`${field}: adapter_config.json: ${field}: `);
    expect(text).toContain(problem);
  });

  it("refuses a rank that config and file say differently", async () => {
    expect(await refusal(none, { config: { r: 4 } })).toContain(
      "has rank 8, adapter_config.json says 4",
    );
  });

  it("refuses JSON that is none, and a missing file", async () => {
    const config = (text: string) => (folder: string) =>
      writeFile(join(folder, "adapter_config.json"), text);
    expect(await refusal(config("{"))).toContain("JSON: adapter_config.json: JSON: ");
    expect(await refusal(config("[]"))).toContain("is not an object");
    expect(await refusal(config(" ".repeat(1024 * 1024 + 1)))).toContain("more than 1048576");
  });

  it("refuses a file that was cut", async () => {
    const cut = (folder: string) => truncate(join(folder, "adapter_model.safetensors"), 5_000);
    expect(await refusal(cut)).toContain("the file is cut or corrupt");
    const empty = (folder: string) => truncate(join(folder, "adapter_model.safetensors"), 4);
    expect(await refusal(empty)).toContain("header length");
  });

  it("refuses shapes that do not fit the base, by tensor", async () => {
    const text = await refusal((folder) =>
      replaceInWeights(folder, '"shape":[8,64]', '"shape":[64,8]'),
    );
    expect(text).toContain(`${q0}.lora_A.weight: has rank 64`);
    const wide = await refusal((folder) =>
      replaceInWeights(folder, '"shape":[32,8]', '"shape":[8,32]'),
    );
    expect(wide).toContain("lora_A.weight: has rank 8");
  });

  it("refuses adapters of another base model", async () => {
    await using folder = await temporaryFolder();
    await writePeft(folder.path);
    const base = { ...TINY_BASE, hiddenSize: 128 };
    await expect(readAdapter(folder.path, base)).rejects.toThrow(
      `${q0}.lora_A.weight: has the shape [8, 64], the base model needs [8, 128]`,
    );
    await expect(readAdapter(folder.path, { ...TINY_BASE, layerCount: 1 })).rejects.toThrow(
      "layer 1 is not one of the base model's 1",
    );
  });

  it("refuses a file that lacks a target of its config", async () => {
    const config = { target_modules: ["q_proj", "v_proj", "k_proj"] };
    expect(await refusal(none, { config })).toContain("k_proj of layer 0, a target of");
  });

  it.each([
    ["q_proj.lora_A.weight", "q_proj.lora_A.weighs", "is no A or B of a linear layer"],
    ["q_proj.lora_A.weight", "r_proj.lora_A.weight", "self_attn.r_proj is no linear layer"],
    ["self_attn.v_proj.lora_B", "self_attn.q_proj.lora_C", "is no A or B"],
    [
      "layers.1.self_attn.q_proj.lora_B",
      "layers.0.self_attn.k_proj.lora_B",
      "lora_B.weight is missing",
    ],
    ["layers.0.self_attn.v_proj", "layers.9.self_attn.v_proj", "layer 9 is not one of"],
    ['"dtype":"F32"', '"dtype":"I32"', "dtype I32 is not supported"],
  ])("refuses a tensor %s that became %s", async (from, to, problem) => {
    expect(await refusal((folder) => replaceInWeights(folder, from, to))).toContain(problem);
  });
});
