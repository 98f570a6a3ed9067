// A PEFT adapter as a client would upload it: its configuration, and a safetensors file of any size.

export const PEFT_CONFIG = {
  peft_type: "LORA",
  r: 2,
  lora_alpha: 4,
  target_modules: ["q_proj"],
  bias: "none",
  use_dora: false,
  base_model_name_or_path: "somewhere/else",
};

const MODULE = "base_model.model.model.layers.0.self_attn.q_proj";

/** A file with one pair of matrices of rank 2; all values have the byte `fill`. */
export function weightsFile(columns = 8, fill = 1): Uint8Array<ArrayBuffer> {
  const bytesA = 2 * columns * 4;
  const bytesB = 8 * 2 * 4;
  const header = JSON.stringify({
    [`${MODULE}.lora_A.weight`]: { dtype: "F32", shape: [2, columns], data_offsets: [0, bytesA] },
    [`${MODULE}.lora_B.weight`]: {
      dtype: "F32",
      shape: [8, 2],
      data_offsets: [bytesA, bytesA + bytesB],
    },
  });
  const json = new TextEncoder().encode(header);
  const file = new Uint8Array(8 + json.length + bytesA + bytesB).fill(fill);
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
  file.set(json, 8);
  return file;
}
