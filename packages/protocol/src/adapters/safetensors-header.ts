// Owns the look at an adapter's weights that needs no model: is the header of the safetensors file sane, does it hold
// pairs of LoRA matrices and nothing else, and does the file have just the bytes it speaks of? Whether they fit a base
// model is the node's to say. Invariant: nothing is allocated by what the file claims.
import { ADAPTER_HEADER_BYTES_MAX, ADAPTER_RANK_MAX, ADAPTER_TENSORS_MAX } from "../limits.ts";

/** Bytes of the length that a safetensors file begins with. */
export const SAFETENSORS_PREFIX_BYTES = 8;
const BYTES_OF_DTYPE: Readonly<Record<string, number>> = { F32: 4, F16: 2, BF16: 2 };
const LORA_NAME = /^(.{1,240})\.lora_(A|B)(?:\.[\w-]{1,64})?\.weight$/;

interface Tensor {
  readonly module: string;
  readonly half: "A" | "B";
  readonly rank: number;
  readonly begin: number;
  readonly end: number;
}

/** Bytes of the header that follows the prefix; a sentence when it is out of bounds. */
export function safetensorsHeaderBytes(prefix: Uint8Array): number | string {
  const view = new DataView(prefix.buffer, prefix.byteOffset, SAFETENSORS_PREFIX_BYTES);
  const bytes = view.getBigUint64(0, true);
  if (bytes >= 2n && bytes <= BigInt(ADAPTER_HEADER_BYTES_MAX)) return Number(bytes);
  return `its header claims ${bytes} bytes; 2 to ${ADAPTER_HEADER_BYTES_MAX} are allowed`;
}

/**
 * Looks at a header.
 * @param header.json the bytes between prefix and data
 * @param header.dataBytes what is left of the file
 * @returns a sentence without a capital and a full stop on what is wrong; undefined when nothing is
 */
export function headerProblem(header: {
  readonly json: Uint8Array;
  readonly dataBytes: number;
}): string | undefined {
  const entries = entriesOf(header.json);
  if (typeof entries === "string") return entries;
  const tensors: Tensor[] = [];
  for (const [name, value] of entries) {
    const tensor = readTensor(name, value);
    if (typeof tensor === "string") return `tensor '${name.slice(0, 200)}' ${tensor}`;
    tensors.push(tensor);
  }
  return placementProblem(tensors, header.dataBytes) ?? pairProblem(tensors);
}

function entriesOf(json: Uint8Array): readonly (readonly [string, unknown])[] | string {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(json));
  } catch {
    return "its header is not JSON";
  }
  if (!isRecord(header)) return "its header is not an object";
  const entries = Object.entries(header).filter(([name]) => name !== "__metadata__");
  if (entries.length === 0) return "it has no tensors";
  if (entries.length <= ADAPTER_TENSORS_MAX) return entries;
  return `it has ${entries.length} tensors; at most ${ADAPTER_TENSORS_MAX} are allowed`;
}

function readTensor(name: string, value: unknown): Tensor | string {
  const [, module, half] = LORA_NAME.exec(name) ?? [];
  if (module === undefined || half === undefined) return "is no LoRA matrix";
  if (!isRecord(value)) return "is not described by an object";
  const { dtype, shape, data_offsets: offsets } = value;
  const itemBytes = typeof dtype === "string" ? BYTES_OF_DTYPE[dtype] : undefined;
  if (itemBytes === undefined) return "must be F32, F16 or BF16";
  const [rows, columns] = pairOf(shape) ?? [0, 0];
  if (rows < 1 || columns < 1) return "must have two dimensions";
  const rank = half === "A" ? rows : columns;
  if (rank > ADAPTER_RANK_MAX) return `has rank ${rank}; at most ${ADAPTER_RANK_MAX} is allowed`;
  const [begin, end] = pairOf(offsets) ?? [-1, -1];
  if (begin < 0 || end - begin !== rows * columns * itemBytes) {
    return "has offsets that do not match its shape";
  }
  return { module, half: half === "A" ? "A" : "B", rank, begin, end };
}

/** Tensors fill the data, one after another. */
function placementProblem(tensors: readonly Tensor[], dataBytes: number): string | undefined {
  let filledBytes = 0;
  for (const { begin, end } of tensors.toSorted((left, right) => left.begin - right.begin)) {
    if (begin !== filledBytes) return "its tensors overlap or leave a hole";
    filledBytes = end;
  }
  if (filledBytes === dataBytes) return undefined;
  return `its tensors take ${filledBytes} bytes and ${dataBytes} are there`;
}

function pairProblem(tensors: readonly Tensor[]): string | undefined {
  const halves = new Map(tensors.map((one) => [`${one.half} ${one.module}`, one]));
  for (const { module, half, rank } of tensors) {
    const other = halves.get(`${half === "A" ? "B" : "A"} ${module}`);
    if (other === undefined) return `module '${module}' lacks one of its two matrices`;
    if (other.rank !== rank) return `module '${module}' has matrices of two ranks`;
  }
  return undefined;
}

function pairOf(value: unknown): readonly [number, number] | undefined {
  if (!Array.isArray(value) || value.length !== 2) return undefined;
  const [first, second] = value as unknown[];
  if (!Number.isSafeInteger(first) || !Number.isSafeInteger(second)) return undefined;
  return [Number(first), Number(second)];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
