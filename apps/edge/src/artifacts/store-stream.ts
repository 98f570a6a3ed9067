// Owns writing a body of announced length into the bucket while it arrives: one chunk in memory at a time, hashed on the
// way. Invariant: what was stored whole has just the announced bytes; anything else is not stored.
import { toHex } from "@fairlane/base";
import { AppError } from "@fairlane/protocol";

export interface StreamedBody {
  readonly body: ReadableStream<Uint8Array> | null;
  /** What the client announced. */
  readonly bytes: number;
  /** Looks at each chunk before it is stored; throws to refuse the whole. */
  readonly heard?: (chunk: Uint8Array) => void;
}

/**
 * Hands the body on to `store`, which must read all of it.
 * @returns what `store` made of it, and the SHA-256 of the body in hexadecimal; throws AppError for a body of another
 * length, and what `heard` throws
 */
export async function storeStream<T>(
  source: StreamedBody,
  store: (readable: ReadableStream) => Promise<T>,
): Promise<{ readonly stored: T; readonly sha256: string }> {
  const { readable, writable } = new FixedLengthStream(source.bytes);
  const digest = new crypto.DigestStream("SHA-256");
  const [target, hash] = [writable.getWriter(), digest.getWriter()];
  // Of an aborted body nobody waits for these; its reason is thrown below.
  for (const end of [digest.digest, target.closed, hash.closed]) end.catch(() => undefined);
  // A failed pump fails the store too; the pump's reason is the one that counts.
  const storing = store(readable).then(
    (stored) => ({ stored }),
    (failure: unknown) => ({ failure }),
  );
  await pump(source, target, hash);
  const outcome = await storing;
  if ("failure" in outcome) throw outcome.failure;
  return { stored: outcome.stored, sha256: toHex(new Uint8Array(await digest.digest)) };
}

async function pump(
  { body, bytes, heard }: StreamedBody,
  target: WritableStreamDefaultWriter<Uint8Array>,
  hash: WritableStreamDefaultWriter<Uint8Array>,
): Promise<void> {
  let arrivedBytes = 0;
  try {
    for await (const chunk of body ?? []) {
      arrivedBytes += chunk.byteLength;
      if (arrivedBytes > bytes) throw lengthError(bytes, "more");
      heard?.(chunk);
      await Promise.all([target.write(chunk), hash.write(chunk)]);
    }
    if (arrivedBytes < bytes) throw lengthError(bytes, String(arrivedBytes));
    await Promise.all([target.close(), hash.close()]);
  } catch (error) {
    await Promise.allSettled([target.abort(error), hash.abort(error)]);
    throw error;
  }
}

function lengthError(bytes: number, arrived: string): AppError {
  return new AppError("invalid_value", `The body must have ${bytes} bytes; ${arrived} arrived.`);
}
