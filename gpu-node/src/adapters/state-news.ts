// Owns how the moves of adapters are told to the main thread: many in one message, since loads move some adapters in every
// step. Invariant: the last move of each adapter is told.
import { setImmediate } from "node:timers/promises";
import type { FromWorker } from "../engine/worker-messages.ts";
import type { AdapterState } from "./adapter-library.ts";

export class StateNews {
  readonly #post: (message: FromWorker) => void;
  #states = new Map<string, AdapterState>();

  constructor(post: (message: FromWorker) => void) {
    this.#post = post;
  }

  /** Notes a move; it is told in the next turn of the event loop, with all others of this one. */
  add(digest: string, state: AdapterState): void {
    if (this.#states.size === 0) void setImmediate().then(() => this.#tell());
    this.#states.set(digest, state);
  }

  #tell(): void {
    const states = [...this.#states];
    this.#states = new Map();
    this.#post({ type: "adapter-state", states });
  }
}
