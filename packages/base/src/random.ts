// Owns the randomness interface: random bytes enter as a parameter, so that tests repeat.

export interface Random {
  /** Fills `target` with random bytes and returns it. */
  fill(target: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>;
}

const POOL_BYTES = 4_096;

/** The same randomness taken from its source 4 KiB at a time: a call of the source costs more than the bytes of an id. */
export function pooledRandom(fillFromSource: Random["fill"]): Random {
  const pool = new Uint8Array(POOL_BYTES);
  let usedBytes = POOL_BYTES;
  return {
    fill(target) {
      if (target.length > POOL_BYTES) return fillFromSource(target);
      if (usedBytes + target.length > POOL_BYTES) {
        fillFromSource(pool);
        usedBytes = 0;
      }
      const taken = pool.subarray(usedBytes, usedBytes + target.length);
      target.set(taken);
      // No byte is given twice, and a secret is not left behind.
      taken.fill(0);
      usedBytes += target.length;
      return target;
    },
  };
}
