import { describe, expect, it } from "vitest";
import { headerProblem, safetensorsHeaderBytes } from "./safetensors-header.ts";

const A = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight";
const B = A.replace("lora_A", "lora_B");
const PAIR = {
  __metadata__: { format: "pt" },
  [A]: { dtype: "F16", shape: [2, 8], data_offsets: [0, 32] },
  [B]: { dtype: "F32", shape: [4, 2], data_offsets: [32, 64] },
};

function problemOf(header: unknown, dataBytes = 64): string | undefined {
  const text = typeof header === "string" ? header : JSON.stringify(header);
  return headerProblem({ json: new TextEncoder().encode(text), dataBytes });
}

function prefix(bytes: bigint): Uint8Array {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, bytes, true);
  return new Uint8Array(view.buffer);
}

describe("headerProblem", () => {
  it("finds nothing wrong with pairs of matrices that fill the file", () => {
    expect(problemOf(PAIR)).toBeUndefined();
    const [nameA, nameB] = [A, B].map((name) => name.replace(".weight", ".default.weight"));
    const named = { [nameA ?? ""]: PAIR[A], [nameB ?? ""]: PAIR[B] };
    expect(problemOf(named)).toBeUndefined();
  });

  it.each([
    ["{", "its header is not JSON"],
    ["\u00ff[]", "its header is not JSON"],
    [[], "its header is not an object"],
    [{ __metadata__: {} }, "it has no tensors"],
    [{ ...PAIR, "lm_head.weight": PAIR[A] }, "tensor 'lm_head.weight' is no LoRA matrix"],
    [{ ...PAIR, [A]: { ...PAIR[A], dtype: "I8" } }, `tensor '${A}' must be F32, F16 or BF16`],
    [{ ...PAIR, [A]: { ...PAIR[A], shape: [16] } }, `tensor '${A}' must have two dimensions`],
    [
      { ...PAIR, [A]: { ...PAIR[A], shape: [257, 8] } },
      `tensor '${A}' has rank 257; at most 256 is allowed`,
    ],
    [
      { ...PAIR, [A]: { ...PAIR[A], data_offsets: [0, 31] } },
      `tensor '${A}' has offsets that do not match its shape`,
    ],
    [
      { ...PAIR, [B]: { ...PAIR[B], data_offsets: [16, 48] } },
      "its tensors overlap or leave a hole",
    ],
    [{ [A]: PAIR[A] }, "its tensors take 32 bytes and 64 are there"],
    [
      { ...PAIR, [B]: { dtype: "F32", shape: [8, 1], data_offsets: [32, 64] } },
      "module 'base_model.model.model.layers.0.self_attn.q_proj' has matrices of two ranks",
    ],
  ])("refuses %j", (header, problem) => {
    expect(problemOf(header)).toBe(problem);
  });

  it("refuses a matrix without its other half", () => {
    expect(problemOf({ [A]: PAIR[A] }, 32)).toBe(
      "module 'base_model.model.model.layers.0.self_attn.q_proj' lacks one of its two matrices",
    );
  });
});

describe("safetensorsHeaderBytes", () => {
  it("bounds what a file may claim", () => {
    expect(safetensorsHeaderBytes(prefix(300n))).toBe(300);
    expect(safetensorsHeaderBytes(prefix(1n))).toBe(
      "its header claims 1 bytes; 2 to 4194304 are allowed",
    );
    expect(safetensorsHeaderBytes(prefix(2n ** 63n))).toBe(
      "its header claims 9223372036854775808 bytes; 2 to 4194304 are allowed",
    );
  });
});
