// Owns what a grammar knows of a model's tokens: their bytes, and which may come up under a grammar at all. Control
// tokens may not, but for those that a tool-call format is written with. Plain data that can be sent to a thread.

export interface Vocabulary {
  /** Ids are below. */
  readonly size: number;
  /** All tokens' bytes one after another; token i has bytes starts[i] to starts[i + 1]. */
  readonly bytes: Uint8Array;
  readonly starts: Int32Array;
  /** Ids that no grammar allows. */
  readonly excludedIds: readonly number[];
}

/** Bytes of a token; none for an id without a token. */
export function bytesOfToken({ bytes, starts }: Vocabulary, token: number): Uint8Array {
  return bytes.subarray(starts[token] ?? 0, starts[token + 1] ?? starts[token] ?? 0);
}
