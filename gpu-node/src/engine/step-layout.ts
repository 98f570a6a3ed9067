// Owns the columns of a step plan and of a step result on the TypeScript side of the border. The same columns,
// in the same order, stand in native/core/step_layout.h; test/tidy/step-layout.test.ts compares both.
// A buffer is a header of HEADER_WORDS int32 words, then the columns in list order; a column holds `capacity`
// elements of 4 bytes and starts at the next multiple of COLUMN_ALIGN_BYTES.

export const STEP_LAYOUT_VERSION = 4;
export const HEADER_WORDS = 16;
export const COLUMN_ALIGN_BYTES = 64;

/** Capacities of a plan and its result, fixed when the engine opens. */
export interface StepCapacity {
  readonly rows: number;
  readonly tokens: number;
  readonly page_updates: number;
  readonly sampling_updates: number;
  readonly slot_resets: number;
  readonly bias_updates: number;
  readonly top_tokens: number;
  readonly copied_pages: number;
}

/** Header words of a plan (index into the int32 header). */
export const PLAN_HEADER = {
  version: 0,
  stepId: 1,
  rows: 2,
  tokens: 3,
  pageUpdates: 4,
  samplingUpdates: 5,
  slotResets: 6,
  biasUpdates: 7,
  pageCopies: 8,
} as const;

/** Header words of a result. */
export const RESULT_HEADER = {
  version: 0,
  stepId: 1,
  rows: 2,
  status: 3,
  badRow: 4,
  tokens: 5,
  computeUs: 6,
} as const;

/** Likeliest tokens that a sample can be reported with. */
export const TOP_LOGPROBS_MAX = 20;
/** Logit biases that a slot can have. */
export const BIAS_PER_SLOT_MAX = 384;
export const FROM_DEVICE = -1;
export const NONE = -1;

type Column = readonly [name: string, type: "i32" | "f32", capacity: keyof StepCapacity];

// What each column means is said once, in native/core/step_layout.h.
export const PLAN_COLUMNS = [
  ["slot_reset", "i32", "slot_resets"],
  ["page_slot", "i32", "page_updates"],
  ["page_entry", "i32", "page_updates"],
  ["page_kv_group", "i32", "page_updates"],
  ["page_id", "i32", "page_updates"],
  ["page_first_pos", "i32", "page_updates"],
  ["page_n_valid", "i32", "page_updates"],
  ["sampling_slot", "i32", "sampling_updates"],
  ["sampling_top_k", "i32", "sampling_updates"],
  ["sampling_seed_lo", "i32", "sampling_updates"],
  ["sampling_seed_hi", "i32", "sampling_updates"],
  ["sampling_temperature", "f32", "sampling_updates"],
  ["sampling_top_p", "f32", "sampling_updates"],
  ["row_slot", "i32", "rows"],
  ["row_n_tokens", "i32", "rows"],
  ["row_first_pos", "i32", "rows"],
  ["row_token_offset", "i32", "rows"],
  ["row_adapter", "i32", "rows"],
  ["row_n_logit_rows", "i32", "rows"],
  ["row_draft_len", "i32", "rows"],
  ["row_mask_slot", "i32", "rows"],
  ["token", "i32", "tokens"],
  ["sampling_min_p", "f32", "sampling_updates"],
  ["sampling_typical_p", "f32", "sampling_updates"],
  ["sampling_repetition_penalty", "f32", "sampling_updates"],
  ["sampling_presence_penalty", "f32", "sampling_updates"],
  ["sampling_frequency_penalty", "f32", "sampling_updates"],
  ["sampling_prompt_tokens", "i32", "sampling_updates"],
  ["sampling_top_logprobs", "i32", "sampling_updates"],
  ["bias_slot", "i32", "bias_updates"],
  ["bias_token", "i32", "bias_updates"],
  ["bias_value", "f32", "bias_updates"],
  ["bias_until_pos", "i32", "bias_updates"],
  ["copy_src_page", "i32", "copied_pages"],
  ["copy_dst_page", "i32", "copied_pages"],
  ["sampling_pooling", "i32", "sampling_updates"],
] as const satisfies readonly Column[];

export const RESULT_COLUMNS = [
  ["result_row", "i32", "rows"],
  ["result_n_out", "i32", "rows"],
  ["result_offset", "i32", "rows"],
  ["result_token", "i32", "rows"],
  ["result_logprob", "f32", "rows"],
  ["result_n_top", "i32", "rows"],
  ["result_top_token", "i32", "top_tokens"],
  ["result_top_logprob", "f32", "top_tokens"],
] as const satisfies readonly Column[];

type Views<C extends readonly Column[]> = {
  readonly [K in C[number] as K[0]]: K[1] extends "f32" ? Float32Array : Int32Array;
} & { readonly header: Int32Array };

export type PlanViews = Views<typeof PLAN_COLUMNS>;
export type ResultViews = Views<typeof RESULT_COLUMNS>;

function alignUp(bytes: number): number {
  return Math.ceil(bytes / COLUMN_ALIGN_BYTES) * COLUMN_ALIGN_BYTES;
}

/** Bytes of a buffer that holds the header and these columns. */
export function layoutBytes(columns: readonly Column[], capacity: StepCapacity): number {
  let offset = HEADER_WORDS * 4;
  for (const [, , field] of columns) offset = alignUp(offset) + capacity[field] * 4;
  return alignUp(offset);
}

function views(columns: readonly Column[], capacity: StepCapacity, buffer: ArrayBuffer): unknown {
  const result: Record<string, Int32Array | Float32Array> = {
    header: new Int32Array(buffer, 0, HEADER_WORDS),
  };
  let offset = HEADER_WORDS * 4;
  for (const [name, type, field] of columns) {
    offset = alignUp(offset);
    const length = capacity[field];
    result[name] =
      type === "f32"
        ? new Float32Array(buffer, offset, length)
        : new Int32Array(buffer, offset, length);
    offset += length * 4;
  }
  return result;
}

/** Typed views over a plan buffer of layoutBytes(PLAN_COLUMNS, capacity) bytes. */
export function planViews(capacity: StepCapacity, buffer: ArrayBuffer): PlanViews {
  return views(PLAN_COLUMNS, capacity, buffer) as PlanViews;
}

/** Typed views over a result buffer of layoutBytes(RESULT_COLUMNS, capacity) bytes. */
export function resultViews(capacity: StepCapacity, buffer: ArrayBuffer): ResultViews {
  return views(RESULT_COLUMNS, capacity, buffer) as ResultViews;
}
