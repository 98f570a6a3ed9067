// Owns the border between who reads and keeps adapters and the engine that computes with them: what an adapter consists
// of, its packed form, and why one is refused. Reading PEFT folders is adapters/'s, the layout of tiles is
// native/core/adapter_layout.h's. Invariant: a packed adapter depends on its matrices and the engine's adapterLayout
// alone, so it may be kept in memory or in a file under both.

/** The linear layers that an adapter may change; a module's number at the border is its place here. */
export const LORA_MODULES = ["q", "k", "v", "o", "gate", "up", "down"] as const;
export type LoraModule = (typeof LORA_MODULES)[number];

/** Highest rank of a module. */
export const LORA_RANK_MAX = 256;

/** A row-major matrix in a file. */
export interface AdapterTensor {
  readonly path: string;
  /** Byte of the file at which it begins. */
  readonly offset: number;
  readonly dtype: "f32" | "f16" | "bf16";
  readonly shape: readonly [rows: number, columns: number];
}

/** One module of one layer: y += scaling * B (A x). */
export interface AdapterModuleSpec {
  readonly layer: number;
  readonly module: LoraModule;
  readonly rank: number;
  /** alpha / rank, or alpha / sqrt(rank) with rsLoRA. */
  readonly scaling: number;
  /** [rank, inputs] */
  readonly a: AdapterTensor;
  /** [outputs, rank] */
  readonly b: AdapterTensor;
}

/** The modules that an adapter changes, in any order. */
export type AdapterSpec = readonly AdapterModuleSpec[];

/** An adapter as pages hold it. */
export interface PackedAdapter {
  readonly pageCount: number;
  /** Page images one after another, pageCount * EngineInfo.pageBytes. */
  readonly images: Uint8Array;
  /** Where each tile is, by page of the adapter; opaque to all but the engine. */
  readonly table: Int32Array;
}

export type AdapterErrorCode =
  /** A layer or module that the model lacks, one that is there twice, or none at all. */
  | "bad_module"
  | "bad_rank"
  | "bad_scaling"
  | "wrong_shape"
  | "bad_dtype"
  | "unreadable_file"
  | "truncated_file"
  /** A value that is no finite number, or too large for the tiles' type. */
  | "not_finite"
  | "too_large"
  | "out_of_memory";

/** Why an adapter cannot be packed; the message names module and bound. */
export class AdapterError extends Error {
  readonly code: AdapterErrorCode;

  constructor(code: AdapterErrorCode, message: string) {
    super(message);
    this.name = "AdapterError";
    this.code = code;
  }
}
