// Owns the randomness interface: random bytes enter as a parameter, so that tests repeat.

export interface Random {
  /** Fills `target` with random bytes and returns it. */
  fill(target: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>;
}
