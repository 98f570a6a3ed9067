// Owns reading a GGUF file's header: metadata and tensor entries with absolute offsets, checked against the
// file. Values are decoded by @huggingface/gguf after gguf-scan.ts has found the header sound; what the values
// mean for a model is not known here.
import { open } from "node:fs/promises";
import { resolve } from "node:path";
import { scanGguf, type GgufScan } from "./gguf-scan.ts";
import { GGUF_ALIGNMENT_BYTES_MAX } from "./limits.ts";
import { errorText, ModelError } from "./model-error.ts";
import { checkPlacement, tensorBytes, type TensorEntry, type TensorType } from "./tensor-entry.ts";

export interface GgufFile {
  readonly path: string;
  readonly fileBytes: number;
  readonly metadata: GgufMetadata;
  readonly tensors: readonly TensorEntry[];
}

// ggml's type ids that the manifest knows.
const TYPE_OF_ID: ReadonlyMap<number, TensorType> = new Map([
  [0, "f32"],
  [1, "f16"],
  [2, "q4_0"],
  [3, "q4_1"],
  [6, "q5_0"],
  [7, "q5_1"],
  [8, "q8_0"],
  [12, "q4_k"],
  [13, "q5_k"],
  [14, "q6_k"],
  [30, "bf16"],
]);
const DEFAULT_ALIGNMENT_BYTES = 32;

/** Typed look-ups in a GGUF file's metadata; a wrong type is a ModelError that names the key. */
export class GgufMetadata {
  private readonly file: string;
  private readonly values: Readonly<Record<string, unknown>>;

  constructor(file: string, values: Readonly<Record<string, unknown>>) {
    this.file = file;
    this.values = values;
  }

  has(key: string): boolean {
    return Object.hasOwn(this.values, key);
  }

  text(key: string): string | undefined {
    const value = this.get(key);
    if (value === undefined || typeof value === "string") return value;
    throw new ModelError(this.file, key, "is not a string");
  }

  number(key: string): number | undefined {
    const value = this.get(key);
    if (value === undefined || typeof value === "number") return value;
    if (typeof value === "bigint" && Number.isSafeInteger(Number(value))) return Number(value);
    throw new ModelError(this.file, key, "is not a number of useful size");
  }

  flag(key: string): boolean | undefined {
    const value = this.get(key);
    if (value === undefined || typeof value === "boolean") return value;
    throw new ModelError(this.file, key, "is not a boolean");
  }

  texts(key: string): readonly string[] | undefined {
    return this.list(key, (value) => typeof value === "string", "strings");
  }

  numbers(key: string): readonly number[] | undefined {
    return this.list(key, (value) => typeof value === "number", "numbers");
  }

  /** The value that `read` found, or a ModelError that the key is missing. */
  required<Value>(key: string, value: Value | undefined): Value {
    if (value === undefined) throw new ModelError(this.file, key, "is missing");
    return value;
  }

  private get(key: string): unknown {
    return this.has(key) ? this.values[key] : undefined;
  }

  private list<Item>(
    key: string,
    isItem: (value: unknown) => value is Item,
    noun: string,
  ): readonly Item[] | undefined {
    const value: unknown = this.get(key);
    if (value === undefined) return undefined;
    if (!Array.isArray(value) || !value.every(isItem)) {
      throw new ModelError(this.file, key, `is not an array of ${noun}`);
    }
    return value;
  }
}

/** Reads and checks the header. Throws ModelError for whatever is wrong with the file. */
export async function readGguf(path: string): Promise<GgufFile> {
  const file = resolve(path);
  const { fileBytes, scan } = await scanFile(file);
  const parsed = await parseHeader(file);
  const [, headerBytes] = parsed.tensorInfoByteRange;
  if (headerBytes !== scan.headerBytes || parsed.tensorInfos.length !== scan.tensorCount) {
    throw new ModelError(file, "header", "changed while it was read");
  }
  const metadata = new GgufMetadata(file, { ...parsed.metadata });
  const alignmentBytes = readAlignment(file, metadata);
  const dataBytes = Math.ceil(headerBytes / alignmentBytes) * alignmentBytes;
  const tensors = parsed.tensorInfos.map((info) => {
    const tensor = {
      name: info.name,
      type: tensorType(file, info.name, info.dtype),
      // GGUF lists the innermost dimension first.
      dims: info.shape.map(Number).toReversed(),
    };
    const sizeBytes = tensorBytes(file, tensor);
    if (info.offset % BigInt(alignmentBytes) !== 0n) {
      throw new ModelError(file, info.name, `offset ${info.offset} is not aligned`);
    }
    return { ...tensor, fileIndex: 0, offsetBytes: dataBytes + Number(info.offset), sizeBytes };
  });
  checkPlacement(file, tensors, fileBytes);
  return { path: file, fileBytes, metadata, tensors };
}

async function scanFile(file: string): Promise<{ fileBytes: number; scan: GgufScan }> {
  const handle = await open(file, "r").catch((thrown: unknown) => {
    throw new ModelError(file, "file", errorText(thrown));
  });
  try {
    const fileStat = await handle.stat();
    if (!fileStat.isFile()) throw new ModelError(file, "file", "is not a regular file");
    return { fileBytes: fileStat.size, scan: await scanGguf(file, handle, fileStat.size) };
  } finally {
    await handle.close();
  }
}

async function parseHeader(file: string) {
  // Loaded when the first GGUF file is opened: it takes 30 ms, which other models need not spend.
  const { gguf } = await import("@huggingface/gguf");
  try {
    return await gguf(file, { allowLocalFile: true });
  } catch (thrown) {
    throw new ModelError(file, "header", errorText(thrown));
  }
}

function readAlignment(file: string, metadata: GgufMetadata): number {
  const key = "general.alignment";
  const alignmentBytes = metadata.number(key) ?? DEFAULT_ALIGNMENT_BYTES;
  const isPowerOfTwo = Number.isInteger(Math.log2(alignmentBytes));
  if (!isPowerOfTwo || alignmentBytes < 8 || alignmentBytes > GGUF_ALIGNMENT_BYTES_MAX) {
    throw new ModelError(file, key, `${alignmentBytes} is not a power of two from 8`);
  }
  return alignmentBytes;
}

function tensorType(file: string, name: string, id: number): TensorType {
  const type = TYPE_OF_ID.get(id);
  if (type) return type;
  const supported = [...TYPE_OF_ID.values()].join(", ");
  throw new ModelError(file, name, `type ${id} is not supported; supported: ${supported}`);
}
