// Owns what of adapter_config.json is checked before its weights are taken: that it is plain LoRA within the bounds. The
// node, which knows the base model, checks the rest.
import { z } from "zod";
import { ADAPTER_RANK_MAX } from "../limits.ts";

/** As PEFT writes it; fields about training pass. */
export const peftConfigSchema = z.looseObject({
  peft_type: z.literal("LORA"),
  r: z.int().min(1).max(ADAPTER_RANK_MAX),
  lora_alpha: z.number().min(0),
  bias: z.literal("none").nullish(),
  use_dora: z.literal(false).nullish(),
});

export type PeftConfig = z.infer<typeof peftConfigSchema>;
