// Owns the engine's adapter slots: which are free, and which wait until no submitted step names them any more. Invariant: a
// slot is cleared, and another adapter's, only after the last step that may name it has completed.
import { assert } from "@fairlane/base";
import type { Adapter } from "./adapter.ts";
import type { AdapterEngine } from "./adapter-loads.ts";

const NONE: readonly Adapter[] = [];

export class AdapterSlots {
  readonly #engine: AdapterEngine;
  readonly #freeSlots: number[];
  #vacating: Adapter[] = [];

  constructor(engine: AdapterEngine) {
    const { adapterSlots } = engine.info;
    this.#engine = engine;
    this.#freeSlots = Array.from({ length: adapterSlots }, (_, index) => adapterSlots - 1 - index);
  }

  /** A free slot; undefined when there is none now. */
  take(): number | undefined {
    return this.#freeSlots.pop();
  }

  /** The adapter was evicted: its slot is free once steps in flight have completed. */
  vacate(adapter: Adapter): void {
    this.#vacating.push(adapter);
  }

  /** Adapters whose slots became free by now. */
  takeVacated(completedStepId: number): readonly Adapter[] {
    if (this.#vacating.length === 0) return NONE;
    const done = this.#vacating.filter(({ lastStepId }) => lastStepId <= completedStepId);
    if (done.length === 0) return NONE;
    this.#vacating = this.#vacating.filter(({ lastStepId }) => lastStepId > completedStepId);
    for (const adapter of done) this.free(adapter);
    return done;
  }

  /** Frees the slot of an adapter that no submitted step names. */
  free(adapter: Adapter): void {
    assert(adapter.slot >= 0, `${adapter.key} has no slot`);
    this.#engine.clearAdapter(adapter.slot);
    this.#freeSlots.push(adapter.slot);
    adapter.slot = -1;
  }
}
