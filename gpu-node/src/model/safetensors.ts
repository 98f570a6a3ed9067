// Owns reading the headers of a model folder's safetensors files, one or several with an index, and checking
// them against the files. The header is JSON of a stated length: JSON.parse does it. The one library that knows
// the format (parseSafetensorsMetadata of @huggingface/hub) reads it from a hub only and gives no offsets.
import { open, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import {
  CONFIG_BYTES_MAX,
  NAME_BYTES_MAX,
  SAFETENSORS_HEADER_BYTES_MAX,
  TENSORS_MAX,
  WEIGHT_FILES_MAX,
} from "./limits.ts";
import { errorText, ModelError } from "./model-error.ts";
import { isRecord, parseJsonObject, readJsonIfThere } from "./read-json.ts";
import { decodeUtf8 } from "./read-text.ts";
import { checkPlacement, tensorBytes, type TensorEntry, type TensorType } from "./tensor-entry.ts";

export interface WeightFile {
  readonly path: string;
  readonly fileBytes: number;
}

export interface Weights {
  readonly files: readonly WeightFile[];
  readonly tensors: readonly TensorEntry[];
}

export const SINGLE_FILE = "model.safetensors";
export const INDEX_FILE = "model.safetensors.index.json";

const TYPE_OF_DTYPE: ReadonlyMap<unknown, TensorType> = new Map<unknown, TensorType>([
  ["F32", "f32"],
  ["F16", "f16"],
  ["BF16", "bf16"],
]);

/** Reads every weight file of a folder. Throws ModelError for whatever is wrong with one. */
export async function readSafetensors(folder: string): Promise<Weights> {
  const indexPath = join(folder, INDEX_FILE);
  const index = await readJsonIfThere(indexPath, SAFETENSORS_HEADER_BYTES_MAX + CONFIG_BYTES_MAX);
  const weightMap = index ? readWeightMap(indexPath, index) : undefined;
  const names = weightMap ? [...new Set(weightMap.values())].toSorted() : [SINGLE_FILE];
  if (names.length > WEIGHT_FILES_MAX) {
    throw new ModelError(indexPath, "weight_map", `names more than ${WEIGHT_FILES_MAX} files`);
  }
  const files: WeightFile[] = [];
  const tensors: TensorEntry[] = [];
  for (const [fileIndex, name] of names.entries()) {
    const read = await readFileHeader(join(folder, name), fileIndex);
    files.push(read.file);
    tensors.push(...read.tensors);
  }
  if (tensors.length > TENSORS_MAX) {
    throw new ModelError(folder, "tensors", `${tensors.length} are more than ${TENSORS_MAX}`);
  }
  if (weightMap) checkWeightMap(indexPath, { weightMap, files: names, tensors });
  return { files, tensors };
}

/** Reads the header of one file. Throws ModelError for whatever is wrong with it. */
export async function readSafetensorsFile(path: string): Promise<readonly TensorEntry[]> {
  const { tensors } = await readFileHeader(path, 0);
  if (tensors.length <= TENSORS_MAX) return tensors;
  throw new ModelError(path, "tensors", `${tensors.length} are more than ${TENSORS_MAX}`);
}

function readWeightMap(indexPath: string, index: Record<string, unknown>): Map<string, string> {
  const entries = index["weight_map"];
  if (!isRecord(entries)) throw new ModelError(indexPath, "weight_map", "is not an object");
  const weightMap = new Map<string, string>();
  for (const [tensor, fileName] of Object.entries(entries)) {
    // A plain name in this folder: an index must not lead elsewhere.
    if (typeof fileName !== "string" || !/^[\w-][\w.-]*\.safetensors$/.test(fileName)) {
      throw new ModelError(indexPath, tensor, "is mapped to something that is no weight file");
    }
    weightMap.set(tensor, fileName);
  }
  if (weightMap.size === 0) throw new ModelError(indexPath, "weight_map", "is empty");
  return weightMap;
}

function checkWeightMap(
  indexPath: string,
  options: {
    readonly weightMap: ReadonlyMap<string, string>;
    readonly files: readonly string[];
    readonly tensors: readonly TensorEntry[];
  },
): void {
  const { weightMap, files, tensors } = options;
  const found = new Map(tensors.map((tensor) => [tensor.name, files[tensor.fileIndex]]));
  if (found.size !== tensors.length) {
    const twice = tensors.find((tensor) => files[tensor.fileIndex] !== found.get(tensor.name));
    throw new ModelError(indexPath, twice?.name ?? "tensor", "is in two files");
  }
  for (const [tensor, fileName] of weightMap) {
    if (found.get(tensor) === fileName) continue;
    throw new ModelError(indexPath, tensor, `is not in ${fileName}, where the index says it is`);
  }
}

async function readFileHeader(
  path: string,
  fileIndex: number,
): Promise<{ file: WeightFile; tensors: readonly TensorEntry[] }> {
  const handle = await open(path, "r").catch((thrown: unknown) => {
    throw new ModelError(path, "file", errorText(thrown));
  });
  try {
    const fileStat = await handle.stat();
    if (!fileStat.isFile()) throw new ModelError(path, "file", "is not a regular file");
    const file = { path, fileBytes: fileStat.size };
    const { header, dataBytes } = await readHeader(file, handle);
    const tensors: TensorEntry[] = [];
    for (const [name, value] of Object.entries(header)) {
      if (name === "__metadata__") continue;
      tensors.push(readEntry(path, { name, value, dataBytes, fileIndex }));
    }
    checkPlacement(path, tensors, file.fileBytes);
    checkNoHole(file, tensors, dataBytes);
    return { file, tensors };
  } finally {
    await handle.close();
  }
}

/** The header's JSON and where the data begin: 8 bytes of length, the JSON, the data. */
async function readHeader(file: WeightFile, handle: FileHandle) {
  const { path, fileBytes } = file;
  const prefix = await readExactly(file, handle, {
    position: 0,
    length: 8,
    subject: "header length",
  });
  const claimed = prefix.readBigUInt64LE();
  if (claimed < 2n || claimed > BigInt(SAFETENSORS_HEADER_BYTES_MAX)) {
    const problem = `${claimed} is outside 2 to ${SAFETENSORS_HEADER_BYTES_MAX}`;
    throw new ModelError(path, "header length", problem);
  }
  const length = Number(claimed);
  if (8 + length > fileBytes) {
    const problem = `${length} goes past the file's ${fileBytes} bytes; the file is cut or corrupt`;
    throw new ModelError(path, "header length", problem);
  }
  const bytes = await readExactly(file, handle, { position: 8, length, subject: "header" });
  return { header: parseJsonObject(path, decodeUtf8(path, bytes)), dataBytes: 8 + length };
}

async function readExactly(
  file: WeightFile,
  handle: FileHandle,
  range: { readonly position: number; readonly length: number; readonly subject: string },
): Promise<Buffer> {
  const buffer = Buffer.alloc(range.length);
  const { bytesRead } = await handle.read(buffer, 0, range.length, range.position);
  if (bytesRead === range.length) return buffer;
  throw new ModelError(file.path, range.subject, `the file ends after ${file.fileBytes} bytes`);
}

function readEntry(
  path: string,
  entry: {
    readonly name: string;
    readonly value: unknown;
    readonly dataBytes: number;
    readonly fileIndex: number;
  },
): TensorEntry {
  const { name, value, dataBytes, fileIndex } = entry;
  const fail = (problem: string): never => {
    throw new ModelError(path, name, problem);
  };
  if (name.length > NAME_BYTES_MAX || !/^[!-~]+$/.test(name)) {
    throw new ModelError(path, "header", "a tensor has no legible name");
  }
  if (!isRecord(value)) return fail("has no description");
  const type = TYPE_OF_DTYPE.get(value["dtype"]);
  if (!type) {
    const supported = [...TYPE_OF_DTYPE.keys()].join(", ");
    return fail(
      `dtype ${String(value["dtype"]).slice(0, 32)} is not supported; supported: ${supported}`,
    );
  }
  const dims: unknown = value["shape"];
  if (!isNumbers(dims)) return fail("shape is not an array of numbers");
  const offsets: unknown = value["data_offsets"];
  if (!isNumbers(offsets) || offsets.length !== 2) return fail("data_offsets are not two numbers");
  const [begin = -1, end = -1] = offsets;
  if (!Number.isSafeInteger(begin) || !Number.isSafeInteger(end) || begin < 0) {
    return fail("data_offsets are not two offsets");
  }
  const sizeBytes = tensorBytes(path, { name, type, dims });
  if (end - begin !== sizeBytes) {
    return fail(`data_offsets hold ${end - begin} bytes, shape and dtype need ${sizeBytes}`);
  }
  return { name, type, dims, fileIndex, offsetBytes: dataBytes + begin, sizeBytes };
}

function isNumbers(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((item) => typeof item === "number");
}

/** The format allows no byte that belongs to no tensor; a hole means a corrupt name or offset. */
function checkNoHole(file: WeightFile, tensors: readonly TensorEntry[], dataBytes: number): void {
  const sum = tensors.reduce((bytes, tensor) => bytes + tensor.sizeBytes, 0);
  const expected = file.fileBytes - dataBytes;
  if (sum === expected) return;
  const problem = `the tensors take ${sum} bytes, the file holds ${expected} bytes of data`;
  throw new ModelError(file.path, "data", problem);
}
