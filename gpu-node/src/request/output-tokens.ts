// Owns the tokens that a request has sampled, in order, for as long as it lives: what a preempted request computes again
// before it goes on. Invariant: adding a token allocates only when the room has doubled.
import { assert } from "@fairlane/base";

/** Room of a fresh list, in tokens: a short answer fits. */
const INITIAL_ROOM_TOKENS = 32;

export class OutputTokens {
  #tokens = new Int32Array(INITIAL_ROOM_TOKENS);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Appends a sampled token. */
  add(token: number): void {
    if (this.#count === this.#tokens.length) {
      const wider = new Int32Array(this.#count * 2);
      wider.set(this.#tokens);
      this.#tokens = wider;
    }
    this.#tokens[this.#count] = token;
    this.#count += 1;
  }

  /** Token `index` in the order of sampling. */
  at(index: number): number {
    const token = index < this.#count ? this.#tokens[index] : undefined;
    assert(token !== undefined, `output ${index} of ${this.#count}`);
    return token;
  }

  /** The prompt followed by these tokens; the prompt itself when there are none. */
  after(promptTokens: Int32Array): Int32Array {
    if (this.#count === 0) return promptTokens;
    const all = new Int32Array(promptTokens.length + this.#count);
    all.set(promptTokens);
    all.set(this.#tokens.subarray(0, this.#count), promptTokens.length);
    return all;
  }
}
