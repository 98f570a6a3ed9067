// Owns how a sealed file lies in the bucket: a head, then chunks of one size, the last one shorter or empty, each with
// its own tag. So the size of the clear text follows from the object's, and any place in it from a chunk's number.
import { assert } from "@fairlane/base";

const CHUNK_BYTES = 64 * 1024;
const TAG_BYTES = 16;
const SALT_BYTES = 32;
/** "FLS1". */
const MAGIC: readonly number[] = [0x46, 0x4c, 0x53, 0x31];
const HEAD_BYTES = MAGIC.length + SALT_BYTES;
const SEALED_CHUNK_BYTES = CHUNK_BYTES + TAG_BYTES;

export const sealedLayout = {
  /** Clear bytes of every chunk but the last: one chunk is in memory while a file is read or written. */
  CHUNK_BYTES,
  /** Of a whole chunk as it lies in the bucket. */
  SEALED_CHUNK_BYTES,
  MAGIC,
  SALT_BYTES,
  HEAD_BYTES,
} as const;

/** Chunks of a file of so many clear bytes; an empty file has one. */
export function chunkCount(clearBytes: number): number {
  return Math.max(1, Math.ceil(clearBytes / CHUNK_BYTES));
}

/** Bytes of the object that holds so many clear ones. */
export function sealedBytes(clearBytes: number): number {
  assert(Number.isSafeInteger(clearBytes) && clearBytes >= 0, `no such size: ${clearBytes}`);
  return HEAD_BYTES + clearBytes + chunkCount(clearBytes) * TAG_BYTES;
}

/** Clear bytes of an object of this size; undefined when no sealed file has it. */
export function clearBytesOf(objectBytes: number): number | undefined {
  const body = objectBytes - HEAD_BYTES;
  if (body < TAG_BYTES) return undefined;
  const clear = body - Math.ceil(body / SEALED_CHUNK_BYTES) * TAG_BYTES;
  return clear >= 0 && sealedBytes(clear) === objectBytes ? clear : undefined;
}

/** Where a chunk begins in the object. */
export function chunkOffset(index: number): number {
  return HEAD_BYTES + index * SEALED_CHUNK_BYTES;
}
