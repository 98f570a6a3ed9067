// Owns the embeddings of slots as the host sees them: one vector for each slot, in one buffer that the engine writes.
// Invariant: a slot's vector is that of the last settled step with a row of the slot, and is read while no submitted
// step has one.
import { assert } from "@fairlane/base";

/** The values of sampling_pooling in a plan. */
export const POOLING = { none: 0, last: 1, mean: 2 } as const;

export interface SlotEmbeddingsOptions {
  readonly slotCount: number;
  readonly hiddenSize: number;
  /** [slotCount, hiddenSize] f32; one of its own when absent. */
  readonly buffer?: ArrayBuffer;
}

export class SlotEmbeddings {
  readonly #vectors: readonly Float32Array[];

  constructor({ slotCount, hiddenSize, buffer }: SlotEmbeddingsOptions) {
    const bytes = hiddenSize * Float32Array.BYTES_PER_ELEMENT;
    const shared = buffer ?? new ArrayBuffer(slotCount * bytes);
    this.#vectors = Array.from(
      { length: slotCount },
      (_, slot) => new Float32Array(shared, slot * bytes, hiddenSize),
    );
  }

  at(slot: number): Float32Array {
    const vector = this.#vectors[slot];
    assert(vector !== undefined, `slot ${slot} of ${this.#vectors.length}`);
    return vector;
  }
}
