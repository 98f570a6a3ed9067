// Owns the content digest of a LoRA adapter, the only identity that caches, routing and distribution know: edge and node
// compute it from the same two files. Names, owners and dates are no part of it. Invariant: two adapters with the same
// digest change the output of a base model in the same way.
import { hashFields, toHex } from "@fairlane/base";

/** Fields of adapter_config.json that change what is computed; all others say how it was trained. */
const FIELDS = [
  "peft_type",
  "r",
  "lora_alpha",
  "use_rslora",
  "use_dora",
  "bias",
  "lora_bias",
  "fan_in_fan_out",
  "target_modules",
  "layers_to_transform",
  "rank_pattern",
  "alpha_pattern",
  "modules_to_save",
] as const;
/** Their order says nothing. */
const SETS: ReadonlySet<string> = new Set(["target_modules", "layers_to_transform"]);

/** What of adapter_config.json bears on the output, as text: the same for the same meaning. */
export function canonicalAdapterConfig(config: Readonly<Record<string, unknown>>): string {
  const kept = FIELDS.map((field) => {
    const value = config[field] ?? null;
    return SETS.has(field) && Array.isArray(value) ? value.map(String).toSorted() : value;
  });
  return JSON.stringify(kept);
}

/**
 * The digest, 64 hexadecimal characters.
 * @param adapter.config the parsed adapter_config.json
 * @param adapter.weightsSha256 SHA-256 of adapter_model.safetensors, in hexadecimal
 */
export async function adapterDigest(adapter: {
  readonly config: Readonly<Record<string, unknown>>;
  readonly weightsSha256: string;
}): Promise<string> {
  const fields = [canonicalAdapterConfig(adapter.config), adapter.weightsSha256];
  return toHex(await hashFields("fairlane-adapter-v1", fields));
}
