// Owns the text of the flat tensor manifest (native/MANIFEST.md, version 1) that the native core opens a model
// from, and writing it to a file so that no reader ever sees half of it.
import type { LlamaConfig } from "./llama-config.ts";
import type { CanonicalTensor } from "./llama-tensors.ts";
import { ModelError } from "./model-error.ts";
import type { WeightFile } from "./safetensors.ts";
import { writeWhole } from "./write-whole.ts";

/** What the manifest is written from. */
export interface ManifestModel {
  readonly config: LlamaConfig;
  readonly files: readonly WeightFile[];
  readonly tensors: readonly CanonicalTensor[];
}

type Param = readonly [name: string, value: number];

/** The manifest's text. */
export function manifestText(model: ManifestModel): string {
  const { config, files, tensors } = model;
  const params: readonly Param[] = [
    ["hidden", config.hiddenSize],
    ["layers", config.layerCount],
    ["heads", config.headCount],
    ["kv_heads", config.kvHeadCount],
    ["head_dim", config.headDim],
    ["ffn", config.ffnSize],
    ["vocab", config.vocabSize],
    ["context", config.contextTokens],
    ["rope_base", config.ropeBase],
    ...ropeScalingParams(config),
    ["rms_eps", config.rmsEps],
    ...windowParams(config),
    ["qk_interleaved", config.isQkInterleaved ? 1 : 0],
  ];
  const lines = ["fairlane-manifest 1", `arch ${config.architecture}`];
  for (const [name, value] of params) lines.push(`param ${name} ${value}`);
  for (const [index, { path, fileBytes }] of files.entries()) {
    // The path is the rest of its line.
    if (/[\r\n]/.test(path)) throw new ModelError(path, "path", "holds a line break");
    lines.push(`file ${index} ${fileBytes} ${path}`);
  }
  for (const { canonicalName, entry } of tensors) {
    const { type, dims, fileIndex, offsetBytes, sizeBytes } = entry;
    const shape = `${dims.length} ${dims.join(" ")}`;
    lines.push(`tensor ${canonicalName} ${type} ${shape} ${fileIndex} ${offsetBytes} ${sizeBytes}`);
  }
  lines.push(`end ${tensors.length}`, "");
  return lines.join("\n");
}

function ropeScalingParams({ ropeScaling }: LlamaConfig): readonly Param[] {
  if (!ropeScaling || ropeScaling.kind === "divisors") return [];
  const factor: Param = ["rope_factor", ropeScaling.factor];
  if (ropeScaling.kind === "linear") return [factor];
  return [
    factor,
    ["rope_low_frequency", ropeScaling.lowFrequency],
    ["rope_high_frequency", ropeScaling.highFrequency],
    ["rope_original_context", ropeScaling.originalContextTokens],
  ];
}

function windowParams({ window }: LlamaConfig): readonly Param[] {
  if (window === undefined) return [];
  const tokens: Param = ["window", window.tokens];
  return window.firstLayer === 0 ? [tokens] : [tokens, ["window_first_layer", window.firstLayer]];
}

/** Writes the manifest; a reader sees the old file or the whole new one. */
export async function writeManifest(
  model: { readonly manifestText: string },
  path: string,
): Promise<void> {
  await writeWhole(path, model.manifestText);
}
