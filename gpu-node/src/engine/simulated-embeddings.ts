// Owns the pooling of engines that compute no model: in place of a hidden state each position has one made of a hash of
// its whole context. Invariant: as in the native core, sums take positions in their order, so chunks do not matter.
import { POOLING, SlotEmbeddings } from "./slot-embeddings.ts";
import { mix } from "./simulated-memory.ts";
import { PLAN_HEADER, type PlanViews } from "./step-layout.ts";

/** Numbers of a simulated hidden state. */
export const SIMULATED_HIDDEN_SIZE = 8;

interface SlotPooling {
  pooling: number;
  readonly sum: Float64Array;
}

export class SimulatedEmbeddings {
  readonly #slots: readonly SlotPooling[];
  readonly #embeddings: SlotEmbeddings;

  constructor(slotCount: number) {
    this.#embeddings = new SlotEmbeddings({ slotCount, hiddenSize: SIMULATED_HIDDEN_SIZE });
    this.#slots = Array.from({ length: slotCount }, () => {
      return { pooling: POOLING.none, sum: new Float64Array(SIMULATED_HIDDEN_SIZE) };
    });
  }

  at(slot: number): Float32Array {
    return this.#embeddings.at(slot);
  }

  /** Takes over what a checked plan says of slots. */
  begin(plan: PlanViews): void {
    for (let i = 0; i < (plan.header[PLAN_HEADER.slotResets] ?? 0); i++) {
      this.#slots[plan.slot_reset[i] ?? -1]?.sum.fill(0);
    }
    for (let i = 0; i < (plan.header[PLAN_HEADER.samplingUpdates] ?? 0); i++) {
      const slot = this.#slots[plan.sampling_slot[i] ?? -1];
      if (slot !== undefined) slot.pooling = plan.sampling_pooling[i] ?? POOLING.none;
    }
  }

  pools(slot: number): boolean {
    return (this.#slots[slot]?.pooling ?? POOLING.none) !== POOLING.none;
  }

  /** Adds the next position of a slot that pools; `hash` is that of the context up to it. */
  add(index: number, hash: number): void {
    const slot = this.#slots[index];
    if (slot === undefined) return;
    const { pooling, sum } = slot;
    let square = 0;
    for (let i = 0; i < sum.length; i++) {
      const state = mix(hash, i + 1) / 2 ** 31;
      sum[i] = (pooling === POOLING.mean ? (sum[i] ?? 0) : 0) + state;
      square += (sum[i] ?? 0) ** 2;
    }
    const vector = this.at(index);
    for (let i = 0; i < sum.length; i++) vector[i] = (sum[i] ?? 0) / Math.sqrt(square);
  }
}
