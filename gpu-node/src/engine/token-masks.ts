// Owns the masks of the tokens that rows may sample, one for each slot, in one buffer that the engine reads. Which
// tokens a grammar allows is grammar/'s. Invariant: a mask is written only while no submitted step names it.
import { assert } from "@fairlane/base";
import { NONE } from "./step-layout.ts";

const WORD_BITS = 32;

/** Words of one mask: bit t % 32 of word t / 32 set = token t may be sampled. */
export function maskWords(vocabSize: number): number {
  return Math.ceil(vocabSize / WORD_BITS);
}

export interface TokenMasksOptions {
  readonly slotCount: number;
  readonly vocabSize: number;
  /** [slotCount, maskWords(vocabSize)] uint32; one of its own when absent. */
  readonly buffer?: ArrayBuffer;
}

export class TokenMasks {
  readonly #vocabSize: number;
  readonly #masks: readonly Int32Array[];

  constructor({ slotCount, vocabSize, buffer }: TokenMasksOptions) {
    const words = maskWords(vocabSize);
    const bytes = words * Int32Array.BYTES_PER_ELEMENT;
    const shared = buffer ?? new ArrayBuffer(slotCount * bytes);
    this.#vocabSize = vocabSize;
    this.#masks = Array.from(
      { length: slotCount },
      (_, slot) => new Int32Array(shared, slot * bytes, words),
    );
  }

  has(maskSlot: number): boolean {
    return this.#masks[maskSlot] !== undefined;
  }

  at(maskSlot: number): Int32Array {
    const mask = this.#masks[maskSlot];
    assert(mask !== undefined, `mask slot ${maskSlot} of ${this.#masks.length}`);
    return mask;
  }

  /** The first allowed token from `first` on, around the vocabulary's end; NONE without one. */
  firstAllowed(maskSlot: number, first: number): number {
    const mask = this.at(maskSlot);
    for (let i = 0; i < this.#vocabSize; i++) {
      const token = (first + i) % this.#vocabSize;
      const word = mask[Math.floor(token / WORD_BITS)] ?? 0;
      if (((word >>> (token % WORD_BITS)) & 1) === 1) return token;
    }
    return NONE;
  }
}
