// Owns the first look at a GGUF header: that every count, length and type in it is possible and that it ends
// inside the file. It names the entry or tensor that is not. It decodes no value and judges no meaning: the
// library does the former (and, alone, would read zeros past the end of a cut file and name nothing), gguf.ts
// the latter. Cost is linear in the header; nothing is allocated by what a count claims.
import type { FileHandle } from "node:fs/promises";
import {
  GGUF_ARRAY_ELEMENTS_MAX,
  GGUF_ENTRIES_MAX,
  GGUF_FIRST_READ_BYTES,
  GGUF_HEADER_BYTES_MAX,
  GGUF_STRING_BYTES_MAX,
  NAME_BYTES_MAX,
  TENSOR_DIMENSION_MAX,
  TENSOR_DIMENSIONS_MAX,
  TENSORS_MAX,
} from "./limits.ts";
import { ModelError } from "./model-error.ts";

export interface GgufScan {
  readonly version: number;
  readonly entryCount: number;
  readonly tensorCount: number;
  /** Bytes up to the end of the last tensor's record, before padding. */
  readonly headerBytes: number;
}

const MAGIC = 0x46554747;
const TYPE_STRING = 8;
const TYPE_ARRAY = 9;
// Bytes of a value by its GGUF type; strings and arrays have none.
const VALUE_BYTES = [1, 1, 2, 2, 4, 4, 4, 1, undefined, undefined, 8, 8, 8];
const TYPE_COUNT = VALUE_BYTES.length;

/** Thrown inside this file when the header goes on behind the bytes read so far. */
class MoreNeeded extends Error {}

/** Reads as much of the file as its header takes and checks its structure. */
export async function scanGguf(
  file: string,
  handle: FileHandle,
  fileBytes: number,
): Promise<GgufScan> {
  const availableBytes = Math.min(fileBytes, GGUF_HEADER_BYTES_MAX);
  for (let readBytes = GGUF_FIRST_READ_BYTES; ; readBytes *= 2) {
    const bytes = new Uint8Array(Math.min(readBytes, availableBytes));
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, 0);
    if (bytesRead !== bytes.length) throw new ModelError(file, "header", "the file shrank");
    const cursor = new Cursor(file, bytes, fileBytes);
    try {
      return scanHeader(cursor);
    } catch (thrown) {
      if (!(thrown instanceof MoreNeeded)) throw thrown;
    }
  }
}

function scanHeader(cursor: Cursor): GgufScan {
  if (cursor.u32("magic") !== MAGIC) throw cursor.error("magic", "is not GGUF");
  const version = cursor.u32("version");
  if (version !== 0 && (version & 0xffff) === 0) {
    throw cursor.error("version", "is that of a big-endian file; only little-endian is supported");
  }
  if (version !== 2 && version !== 3) {
    throw cursor.error("version", `${version} is not supported; supported: 2, 3`);
  }
  const tensorCount = cursor.count("tensor_count", TENSORS_MAX);
  const entryCount = cursor.count("metadata_kv_count", GGUF_ENTRIES_MAX);
  const keys = new Set<string>();
  for (let index = 0; index < entryCount; index++) {
    const key = cursor.name(`metadata entry ${index}`);
    if (keys.has(key)) throw cursor.error(key, "appears twice");
    keys.add(key);
    skipValue(cursor, key);
  }
  for (let index = 0; index < tensorCount; index++) {
    const name = cursor.name(`tensor ${index}`);
    const dimensionCount = cursor.u32(name);
    if (dimensionCount < 1 || dimensionCount > TENSOR_DIMENSIONS_MAX) {
      const problem = `has ${dimensionCount} dimensions, 1 to ${TENSOR_DIMENSIONS_MAX} are possible`;
      throw cursor.error(name, problem);
    }
    for (let dim = 0; dim < dimensionCount; dim++) cursor.count(name, TENSOR_DIMENSION_MAX);
    // Type, then offset.
    cursor.skip(4 + 8, name);
  }
  return { version, entryCount, tensorCount, headerBytes: cursor.offset };
}

function skipValue(cursor: Cursor, key: string): void {
  const type = cursor.valueType(key);
  if (type === TYPE_STRING) {
    cursor.skip(cursor.count(key, GGUF_STRING_BYTES_MAX), key);
    return;
  }
  if (type !== TYPE_ARRAY) {
    cursor.skip(VALUE_BYTES[type] ?? 0, key);
    return;
  }
  const elementType = cursor.valueType(key);
  const length = cursor.count(key, GGUF_ARRAY_ELEMENTS_MAX);
  if (elementType === TYPE_ARRAY) throw cursor.error(key, "is an array of arrays");
  if (elementType !== TYPE_STRING) {
    cursor.skip(length * (VALUE_BYTES[elementType] ?? 0), key);
    return;
  }
  for (let index = 0; index < length; index++) {
    const subject = `${key}[${index}]`;
    cursor.skip(cursor.count(subject, GGUF_STRING_BYTES_MAX), subject);
  }
}

/** Walks the bytes read so far; every read names what it reads for. */
class Cursor {
  offset = 0;
  private readonly file: string;
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private readonly fileBytes: number;

  constructor(file: string, bytes: Uint8Array, fileBytes: number) {
    this.file = file;
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer);
    this.fileBytes = fileBytes;
  }

  error(subject: string, problem: string): ModelError {
    return new ModelError(this.file, subject, problem);
  }

  skip(byteCount: number, subject: string): void {
    const endBytes = this.offset + byteCount;
    if (endBytes > this.fileBytes) {
      const problem = `ends at byte ${endBytes}, the file at ${this.fileBytes}; the file is cut or corrupt`;
      throw this.error(subject, problem);
    }
    if (endBytes > GGUF_HEADER_BYTES_MAX) {
      throw this.error(subject, `ends behind ${GGUF_HEADER_BYTES_MAX} bytes of header`);
    }
    if (endBytes > this.bytes.length) throw new MoreNeeded();
    this.offset = endBytes;
  }

  u32(subject: string): number {
    this.skip(4, subject);
    return this.view.getUint32(this.offset - 4, true);
  }

  /** A 64-bit count or length, at most `max`. */
  count(subject: string, max: number): number {
    this.skip(8, subject);
    const value = this.view.getBigUint64(this.offset - 8, true);
    if (value > BigInt(max)) throw this.error(subject, `${value} is above ${max}`);
    return Number(value);
  }

  valueType(subject: string): number {
    const type = this.u32(subject);
    if (type >= TYPE_COUNT) throw this.error(subject, `has the unknown value type ${type}`);
    return type;
  }

  name(subject: string): string {
    const byteCount = this.count(subject, NAME_BYTES_MAX);
    this.skip(byteCount, subject);
    const text = Buffer.from(this.bytes.buffer, this.offset - byteCount, byteCount).toString();
    // Printable ASCII without space: names go into messages and into the manifest's neighbourhood.
    if (!/^[!-~]+$/.test(text)) throw this.error(subject, "has no legible name");
    return text;
  }
}
