// Owns reading a PEFT adapter from its folder and checking it against the base model: every tensor has its place, its
// partner and the base's shape, and config and file say the same. It reads headers only; values stay on disk for the
// core. Invariant: what is returned can be computed; every refusal is an PeftError that names the field or tensor.
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { adapterDigest } from "@fairlane/protocol";
import { hashFile } from "../model/file-digest.ts";
import type { LlamaConfig } from "../model/llama-config.ts";
import { readJson } from "../model/read-json.ts";
import { readSafetensorsFile } from "../model/safetensors.ts";
import type { TensorEntry } from "../model/tensor-entry.ts";
import { PeftError, asPeftError, CONFIG_FILE, WEIGHTS_FILE } from "./peft-error.ts";
import { ADAPTER_CONFIG_BYTES_MAX, ADAPTER_FILE_BYTES_MAX, ADAPTER_RANK_MAX } from "./limits.ts";
import { parsePeftConfig, type LoraSetup } from "./peft-config.ts";

/** What of a layer an adapter can change. */
export type AdapterTarget = "q" | "k" | "v" | "o" | "gate" | "up" | "down";

/** The two matrices of one linear layer: y += scaling * B (A x). */
export interface AdapterModule {
  readonly layer: number;
  readonly target: AdapterTarget;
  readonly rank: number;
  readonly scaling: number;
  /** [rank, in]; rows as Hugging Face lays them. */
  readonly a: TensorEntry;
  /** [out, rank] */
  readonly b: TensorEntry;
}

export interface ReadAdapter {
  /** Of the content: what caches and routing know it by. */
  readonly digest: string;
  readonly weightsPath: string;
  readonly weightsBytes: number;
  /** By layer, then in the order q, k, v, o, gate, up, down. */
  readonly modules: readonly AdapterModule[];
}

/** What of the base model an adapter must fit. */
export type AdapterBase = Pick<
  LlamaConfig,
  "hiddenSize" | "layerCount" | "headCount" | "kvHeadCount" | "headDim" | "ffnSize"
>;

const TARGETS: Readonly<Record<string, AdapterTarget>> = {
  q_proj: "q",
  k_proj: "k",
  v_proj: "v",
  o_proj: "o",
  gate_proj: "gate",
  up_proj: "up",
  down_proj: "down",
};
const ORDER: readonly AdapterTarget[] = Object.values(TARGETS);

/** Reads and checks the adapter in a folder. Throws PeftError. */
export async function readAdapter(folder: string, base: AdapterBase): Promise<ReadAdapter> {
  try {
    // 1. what it is
    const json = await readJson(join(folder, CONFIG_FILE), ADAPTER_CONFIG_BYTES_MAX);
    const config = parsePeftConfig(json);
    // 2. what is in the file, once its size is known to be sane
    const weightsPath = join(folder, WEIGHTS_FILE);
    const weightsBytes = await sizeOf(weightsPath);
    const tensors = await readSafetensorsFile(weightsPath);
    // 3. do they fit each other, and the base?
    const modules = modulesOf(tensors, config, base);
    checkComplete(modules, config, base);
    // 4. who it is
    const digest = await adapterDigest({
      config: json,
      weightsSha256: await hashFile(weightsPath),
    });
    return { digest, weightsPath, weightsBytes, modules };
  } catch (thrown) {
    throw asPeftError(thrown);
  }
}

async function sizeOf(path: string): Promise<number> {
  const { size } = await stat(path).catch(() => {
    throw new PeftError(WEIGHTS_FILE, "file", "is missing");
  });
  if (size <= ADAPTER_FILE_BYTES_MAX) return size;
  const problem = `has ${size} bytes, more than ${ADAPTER_FILE_BYTES_MAX}`;
  throw new PeftError(WEIGHTS_FILE, "file", problem);
}

/** A tensor's place in the model, by its name. */
interface Place {
  readonly layer: number;
  readonly block: string;
  readonly projection: string;
  readonly half: "A" | "B";
}

const NAME =
  /^base_model\.model\.(?:model\.)?layers\.(0|[1-9]\d{0,4})\.(self_attn|mlp)\.(\w+)\.lora_([AB])\.weight$/;

function placeOf(name: string): Place {
  const [, layer, block = "", projection = "", half] = NAME.exec(name) ?? [];
  if (layer !== undefined && (half === "A" || half === "B")) {
    return { layer: Number(layer), block, projection, half };
  }
  if (name.endsWith("lora_magnitude_vector")) throw refused(name, "DoRA is not supported");
  if (name.endsWith(".bias")) throw refused(name, "a bias is not supported");
  if (name.includes("lora_embedding_")) throw refused(name, "LoRA of embeddings is not supported");
  throw refused(name, "is no A or B of a linear layer that this model has");
}

function modulesOf(
  tensors: readonly TensorEntry[],
  config: LoraSetup,
  base: AdapterBase,
): readonly AdapterModule[] {
  const halves = new Map<string, { place: Place; A?: TensorEntry; B?: TensorEntry }>();
  for (const tensor of tensors) {
    const place = placeOf(tensor.name);
    const key = `model.layers.${place.layer}.${place.block}.${place.projection}`;
    const found = halves.get(key) ?? { place };
    if (found[place.half] !== undefined) throw refused(tensor.name, "is there under two names");
    found[place.half] = tensor;
    halves.set(key, found);
  }
  if (halves.size === 0) throw new PeftError(WEIGHTS_FILE, "tensors", "there are none");
  const modules = [...halves].map(([name, { place, A: a, B: b }]) => {
    const target = targetOf(place, base, (a ?? b)?.name ?? name);
    if (a === undefined || b === undefined) {
      throw refused(name, `its lora_${a === undefined ? "A" : "B"}.weight is missing`);
    }
    checkTargeted(name, place, config);
    const rank = rankOf({ name, a, b }, config);
    checkShapes({ a, b }, rank, sizesOf(target, base));
    const alpha = config.alphaOf(name) ?? config.alpha;
    const scaling = alpha / (config.isRankStabilised ? Math.sqrt(rank) : rank);
    return { layer: place.layer, target, rank, scaling, a, b };
  });
  return modules.toSorted(
    (one, other) =>
      one.layer - other.layer || ORDER.indexOf(one.target) - ORDER.indexOf(other.target),
  );
}

function targetOf(place: Place, base: AdapterBase, tensor: string): AdapterTarget {
  const target = Object.hasOwn(TARGETS, place.projection) ? TARGETS[place.projection] : undefined;
  const isAttention = target !== undefined && ORDER.indexOf(target) < 4;
  if (target === undefined || isAttention !== (place.block === "self_attn")) {
    throw refused(tensor, `${place.block}.${place.projection} is no linear layer of this model`);
  }
  if (place.layer < base.layerCount) return target;
  throw refused(tensor, `layer ${place.layer} is not one of the base model's ${base.layerCount}`);
}

function checkTargeted(name: string, place: Place, { targets, layers }: LoraSetup): void {
  if (layers !== null && !layers.has(place.layer)) {
    const problem = `does not name layer ${place.layer}, of which the file has ${name}`;
    throw new PeftError(CONFIG_FILE, "layers_to_transform", problem);
  }
  if (targets === null) return;
  if (targets.some((target) => name === target || name.endsWith(`.${target}`))) return;
  throw new PeftError(CONFIG_FILE, "target_modules", `does not name ${name}, which the file has`);
}

function rankOf(
  { name, a, b }: { readonly name: string; readonly a: TensorEntry; readonly b: TensorEntry },
  config: LoraSetup,
): number {
  const rank = config.rankOf(name) ?? config.rank;
  const [rows = 0] = a.dims;
  if (rows > ADAPTER_RANK_MAX) {
    throw refused(a.name, `has rank ${rows}, at most ${ADAPTER_RANK_MAX} are supported`);
  }
  if (rows === rank && b.dims[1] === rank) return rank;
  throw refused(a.name, `has rank ${rows}, ${CONFIG_FILE} says ${rank}`);
}

/** Values that go in and come out of a linear layer of the base. */
function sizesOf(target: AdapterTarget, base: AdapterBase) {
  const { hiddenSize: hidden, ffnSize: ffn, headCount, kvHeadCount, headDim } = base;
  const [queries, keys] = [headCount * headDim, kvHeadCount * headDim];
  switch (target) {
    case "q":
      return { inSize: hidden, outSize: queries };
    case "k":
    case "v":
      return { inSize: hidden, outSize: keys };
    case "o":
      return { inSize: queries, outSize: hidden };
    case "gate":
    case "up":
      return { inSize: hidden, outSize: ffn };
    case "down":
      return { inSize: ffn, outSize: hidden };
  }
}

function checkShapes(
  { a, b }: { readonly a: TensorEntry; readonly b: TensorEntry },
  rank: number,
  { inSize, outSize }: { readonly inSize: number; readonly outSize: number },
): void {
  for (const [tensor, wanted] of [
    [a, [rank, inSize]],
    [b, [outSize, rank]],
  ] as const) {
    const { dims, name } = tensor;
    if (dims.length === 2 && dims[0] === wanted[0] && dims[1] === wanted[1]) continue;
    const shapes = `has the shape [${dims.join(", ")}], the base model needs [${wanted.join(", ")}]`;
    throw refused(name, shapes);
  }
}

/** A list of names says which modules there must be; what PEFT trained and the file lacks was lost on the way. */
function checkComplete(
  modules: readonly AdapterModule[],
  { targets, layers }: LoraSetup,
  base: AdapterBase,
): void {
  if (targets === null) return;
  const found = new Set(modules.map(({ layer, target }) => `${layer} ${target}`));
  for (const [projection, target] of Object.entries(TARGETS)) {
    if (!targets.includes(projection)) continue;
    for (let layer = 0; layer < base.layerCount; layer++) {
      if (layers !== null && !layers.has(layer)) continue;
      if (found.has(`${layer} ${target}`)) continue;
      const problem = `${projection} of layer ${layer}, a target of ${CONFIG_FILE}, is missing`;
      throw new PeftError(WEIGHTS_FILE, "tensors", problem);
    }
  }
  checkKnown(targets);
}

function checkKnown(targets: readonly string[]): void {
  const known = Object.keys(TARGETS);
  const stray = targets.find((name) => !known.includes(name.split(".").at(-1) ?? ""));
  if (stray === undefined) return;
  const problem = `'${stray.slice(0, 64)}' is no linear layer of this model; known: ${known.join(", ")}`;
  throw new PeftError(CONFIG_FILE, "target_modules", problem);
}

function refused(tensor: string, problem: string): PeftError {
  return new PeftError(WEIGHTS_FILE, tensor, problem);
}
