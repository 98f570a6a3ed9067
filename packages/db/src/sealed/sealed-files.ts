// Owns the content of tenants' files in R2: sealed objects, written and read as streams with one chunk in memory,
// readable from any byte on. Invariant: what is read is what was written under the same name, up to the end that it had;
// everything else is `file_damaged`. Adapters are none of these: nodes read them without any key.
import { assert, type Random } from "@fairlane/base";
import type { R2Bucket, ReadableStream as StoredStream } from "@cloudflare/workers-types";
import { damaged, FileCipher, type ChunkPlace } from "./file-cipher.ts";
import {
  chunkCount,
  chunkOffset,
  clearBytesOf,
  sealedBytes,
  sealedLayout,
} from "./sealed-layout.ts";

/** `files` = a whole file, `file-parts` = a part of an upload. */
export type SealedKind = "files" | "file-parts";

/** Names one object of a tenant; the id is ours. */
export interface SealedRef {
  readonly kind: SealedKind;
  readonly id: string;
}

export interface SealedOptions {
  readonly bucket: R2Bucket;
  readonly tenantId: string;
  /** 64 hex digits: see filesKeyOf. Deleting needs none. */
  readonly key: string;
  readonly random: Random;
  /** A stream of so many bytes: the bucket takes no other. */
  readonly lengthStream: (bytes: number) => {
    readonly readable: object;
    readonly writable: WritableStream<Uint8Array>;
  };
}

/** What is read of a file. */
export interface SealedContent {
  /** Of the whole file. */
  readonly clearBytes: number;
  /** From the byte on that was asked for. */
  readonly body: ReadableStream<Uint8Array>;
}

type Bytes = Uint8Array<ArrayBuffer>;

const ID = /^[A-Za-z0-9_-]{1,128}$/;

export class SealedFiles {
  readonly #options: SealedOptions;

  constructor(options: SealedOptions) {
    this.#options = options;
  }

  /** Stores what `source` gives, which has to be `clearBytes` long; nothing is stored otherwise. */
  async put(ref: SealedRef, source: AsyncIterable<Uint8Array>, clearBytes: number): Promise<void> {
    const { bucket, random, lengthStream } = this.#options;
    const salt = random.fill(new Uint8Array(sealedLayout.SALT_BYTES));
    const cipher = await this.#cipher(ref, salt);
    const { readable, writable } = lengthStream(sealedBytes(clearBytes));
    const storing = bucket.put(this.#name(ref), readable as StoredStream);
    // A failed store fails the writer too, and the other way round; awaited below.
    storing.catch(() => undefined);
    const writer = writable.getWriter();
    writer.closed.catch(() => undefined);
    try {
      await writer.write(Uint8Array.of(...sealedLayout.MAGIC, ...salt));
      for await (const chunk of sealed(source, clearBytes, cipher)) await writer.write(chunk);
      await writer.close();
    } catch (error) {
      await Promise.allSettled([writer.abort(error), storing]);
      throw error;
    }
    await storing;
  }

  /** The content from a byte on; undefined when there is no such object. Throws AppError `file_damaged`. */
  async get(ref: SealedRef, fromByte = 0): Promise<SealedContent | undefined> {
    const { bucket } = this.#options;
    const name = this.#name(ref);
    const head = await bucket.get(name, { range: { offset: 0, length: sealedLayout.HEAD_BYTES } });
    if (head === null) return undefined;
    const clearBytes = clearBytesOf(head.size);
    const bytes = new Uint8Array(await head.arrayBuffer());
    const isSealed = sealedLayout.MAGIC.every((byte, at) => bytes[at] === byte);
    if (clearBytes === undefined || !isSealed) throw damaged();
    const cipher = await this.#cipher(ref, bytes.slice(sealedLayout.MAGIC.length));
    // The last chunk is read even when nothing of it is wanted: it says that the file ends there.
    const lastIndex = chunkCount(clearBytes) - 1;
    const index = Math.min(Math.floor(fromByte / sealedLayout.CHUNK_BYTES), lastIndex);
    const onlyIf = { etagMatches: head.etag };
    const range = { offset: chunkOffset(index) };
    const object = await bucket.get(name, { range, onlyIf });
    // It was deleted or written again in between.
    if (object === null || !("body" in object)) return undefined;
    const stored = object.body as unknown as ReadableStream<Uint8Array>;
    const clear = opened(stored, cipher, { index, lastIndex });
    const skipped = fromByte - index * sealedLayout.CHUNK_BYTES;
    // Before anything is told, so that a wrong key is a refusal and no broken stream.
    const first = await clear.next();
    const rest = first.done === true ? new Uint8Array() : first.value.subarray(skipped);
    return { clearBytes, body: streamOf(rest, clear) };
  }

  /** Deletes at once; a name without an object is no error. */
  async delete(refs: readonly SealedRef[]): Promise<void> {
    if (refs.length > 0) await this.#options.bucket.delete(refs.map((ref) => this.#name(ref)));
  }

  #name({ kind, id }: SealedRef): string {
    assert(ID.test(id), "the id of a sealed file is made of letters, digits, '_' and '-'");
    return `${this.#options.tenantId}/${kind}/${id}`;
  }

  #cipher(ref: SealedRef, salt: Bytes): Promise<FileCipher> {
    const { key, tenantId } = this.#options;
    return FileCipher.of(key, { tenantId, ...ref }, salt);
  }
}

/** Bytes that come as they like, in pieces of one size; the last one may be shorter or empty. */
async function* pieces(source: AsyncIterable<Uint8Array>, pieceBytes: number) {
  let piece: Bytes = new Uint8Array(pieceBytes);
  let filled = 0;
  for await (const arrived of source) {
    for (let from = 0; from < arrived.length;) {
      // Held back until more comes: only then is it known not to be the last.
      if (filled === pieceBytes) {
        yield piece;
        piece = new Uint8Array(pieceBytes);
        filled = 0;
      }
      const taken = Math.min(pieceBytes - filled, arrived.length - from);
      piece.set(arrived.subarray(from, from + taken), filled);
      filled += taken;
      from += taken;
    }
  }
  yield piece.subarray(0, filled);
}

async function* sealed(source: AsyncIterable<Uint8Array>, clearBytes: number, cipher: FileCipher) {
  const lastIndex = chunkCount(clearBytes) - 1;
  let index = 0;
  let sealedSoFar = 0;
  for await (const piece of pieces(source, sealedLayout.CHUNK_BYTES)) {
    sealedSoFar += piece.length;
    assert(sealedSoFar <= clearBytes, `a file of ${clearBytes} bytes has more`);
    yield cipher.seal({ index, isLast: index === lastIndex }, piece);
    index += 1;
  }
  assert(sealedSoFar === clearBytes, `a file of ${clearBytes} bytes has ${sealedSoFar}`);
}

async function* opened(
  stored: ReadableStream<Uint8Array>,
  cipher: FileCipher,
  from: { readonly index: number; readonly lastIndex: number },
): AsyncGenerator<Bytes, void> {
  let { index } = from;
  const placeOf = (): ChunkPlace => ({ index, isLast: index === from.lastIndex });
  for await (const piece of pieces(stored, sealedLayout.SEALED_CHUNK_BYTES)) {
    yield cipher.open(placeOf(), piece);
    index += 1;
  }
  if (index !== from.lastIndex + 1) throw damaged();
}

function streamOf(first: Bytes, rest: AsyncGenerator<Bytes, void>): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    start(controller) {
      if (first.length > 0) controller.enqueue(first);
    },
    async pull(controller) {
      const next = await rest.next();
      if (next.done === true) controller.close();
      else if (next.value.length > 0) controller.enqueue(next.value);
    },
    async cancel() {
      await rest.return();
    },
  });
}
