// Owns adapter_config.json as PEFT writes it: what of it changes the computation, checked; and the refusal, by field, of
// every variant of LoRA that this engine does not compute. Invariant: a config that passed says plain LoRA.
import { z } from "zod";
import { isRecord } from "../model/read-json.ts";
import { PeftError, CONFIG_FILE } from "./peft-error.ts";
import { ADAPTER_ALPHA_MAX, ADAPTER_PATTERNS_MAX, ADAPTER_RANK_MAX } from "./limits.ts";
import { parsePatterns, type ModuleValues } from "./module-pattern.ts";

export interface LoraSetup {
  readonly rank: number;
  readonly alpha: number;
  /** Scaling by alpha / sqrt(rank) in place of alpha / rank. */
  readonly isRankStabilised: boolean;
  /** Names of modules, or null for a regular expression or "all-linear": what PEFT wrote says which they are. */
  readonly targets: readonly string[] | null;
  /** Null: all. */
  readonly layers: ReadonlySet<number> | null;
  /** What rank_pattern and alpha_pattern set for a module. */
  readonly rankOf: ModuleValues;
  readonly alphaOf: ModuleValues;
}

const rankSchema = z
  .number()
  .int("must be an integer")
  .min(1, "must be at least 1")
  .max(ADAPTER_RANK_MAX, `must be at most ${ADAPTER_RANK_MAX}`);
const alphaSchema = z
  .number()
  .min(0, "must not be negative")
  .max(ADAPTER_ALPHA_MAX, `must be at most ${ADAPTER_ALPHA_MAX}`);
const layerSchema = z.number().int("must be an integer").min(0, "must not be negative");
const patternsMax = `has more than ${ADAPTER_PATTERNS_MAX} entries`;

const schema = z.object({
  peft_type: z.literal("LORA", "only LORA is supported"),
  r: rankSchema,
  lora_alpha: alphaSchema,
  use_rslora: z.boolean().nullish(),
  target_modules: z
    .union([z.array(z.string()).max(ADAPTER_PATTERNS_MAX, patternsMax), z.string()], {
      error: "must be a list of names or a string",
    })
    .nullish(),
  layers_to_transform: z.union([layerSchema, z.array(layerSchema)]).nullish(),
  rank_pattern: z.record(z.string(), rankSchema).nullish(),
  alpha_pattern: z.record(z.string(), alphaSchema).nullish(),
});

/** Fields that must say nothing, and what they would ask for. */
const UNSUPPORTED: readonly (readonly [field: string, what: string])[] = [
  ["use_dora", "DoRA is not supported; train with use_dora=false"],
  ["use_qalora", "QALoRA is not supported"],
  ["lora_bias", "LoRA with a bias is not supported; train with lora_bias=false"],
  ["fan_in_fan_out", "weights of Conv1D layers are not supported"],
  ["modules_to_save", "modules trained in full are not supported; leave modules_to_save empty"],
  ["trainable_token_indices", "trained embeddings are not supported"],
  ["target_parameters", "LoRA of single parameters is not supported"],
  ["layer_replication", "replicated layers are not supported"],
  ["alora_invocation_tokens", "activated LoRA is not supported"],
  ["arrow_config", "Arrow routing is not supported"],
];

/** Checks the parsed JSON. Throws PeftError naming the field. */
export function parsePeftConfig(json: Readonly<Record<string, unknown>>): LoraSetup {
  for (const [field, what] of UNSUPPORTED) {
    if (saysSomething(json[field])) throw new PeftError(CONFIG_FILE, field, what);
  }
  const { bias = "none" } = json;
  if (bias !== "none" && bias !== null) {
    const problem = `${JSON.stringify(bias).slice(0, 32)} is not supported; train with bias="none"`;
    throw new PeftError(CONFIG_FILE, "bias", problem);
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const field = issue?.path.join(".") || "JSON";
    throw new PeftError(CONFIG_FILE, field, issue?.message ?? "is not as expected");
  }
  const { r, lora_alpha, use_rslora, target_modules, layers_to_transform } = parsed.data;
  // With exclusions, which modules a name stands for is PEFT's to say.
  const isList = Array.isArray(target_modules) && !saysSomething(json["exclude_modules"]);
  return {
    rank: r,
    alpha: lora_alpha,
    isRankStabilised: use_rslora === true,
    targets: isList ? target_modules : null,
    layers: layerSetOf(layers_to_transform),
    rankOf: patternsOf("rank_pattern", parsed.data.rank_pattern),
    alphaOf: patternsOf("alpha_pattern", parsed.data.alpha_pattern),
  };
}

/** False for what stands for "not asked for": absent, null, false, empty. */
function saysSomething(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (isRecord(value)) return Object.keys(value).length > 0;
  return value !== undefined && value !== null && value !== false && value !== "";
}

function layerSetOf(
  layers: number | readonly number[] | null | undefined,
): ReadonlySet<number> | null {
  return layers === null || layers === undefined ? null : new Set([layers].flat());
}

function patternsOf(
  field: string,
  patterns: Readonly<Record<string, number>> | null | undefined,
): ModuleValues {
  const values = parsePatterns(patterns ?? {});
  if (typeof values === "string") throw new PeftError(CONFIG_FILE, field, values);
  return values;
}
