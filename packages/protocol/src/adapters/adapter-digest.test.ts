import { describe, expect, it } from "vitest";
import { adapterDigest, canonicalAdapterConfig } from "./adapter-digest.ts";

const CONFIG = { peft_type: "LORA", r: 8, lora_alpha: 16, target_modules: ["v_proj", "q_proj"] };
const WEIGHTS = "a".repeat(64);

describe("adapterDigest", () => {
  it("is the same whatever the order of names and the fields about training", async () => {
    const other = {
      target_modules: ["q_proj", "v_proj"],
      lora_dropout: 0.1,
      lora_alpha: 16,
      r: 8,
      peft_type: "LORA",
      base_model_name_or_path: "somewhere",
    };
    expect(await adapterDigest({ config: other, weightsSha256: WEIGHTS })).toBe(
      await adapterDigest({ config: CONFIG, weightsSha256: WEIGHTS }),
    );
  });

  it.each([
    ["rank", { ...CONFIG, r: 16 }],
    ["alpha", { ...CONFIG, lora_alpha: 32 }],
    ["rank-stabilised scaling", { ...CONFIG, use_rslora: true }],
    ["targets", { ...CONFIG, target_modules: ["q_proj"] }],
    ["patterns", { ...CONFIG, alpha_pattern: { q_proj: 4 } }],
    ["layers", { ...CONFIG, layers_to_transform: [0] }],
  ])("differs with %s", async (_, config) => {
    expect(await adapterDigest({ config, weightsSha256: WEIGHTS })).not.toBe(
      await adapterDigest({ config: CONFIG, weightsSha256: WEIGHTS }),
    );
  });

  it("differs with the weights", async () => {
    const digest = await adapterDigest({ config: CONFIG, weightsSha256: WEIGHTS });
    expect(digest).toMatch(/^[0-9a-f]{64}$/);
    expect(await adapterDigest({ config: CONFIG, weightsSha256: "b".repeat(64) })).not.toBe(digest);
  });

  it("keeps the order of patterns, since the first that matches counts", () => {
    const one = canonicalAdapterConfig({ alpha_pattern: { a: 1, b: 2 } });
    expect(canonicalAdapterConfig({ alpha_pattern: { b: 2, a: 1 } })).not.toBe(one);
  });
});
