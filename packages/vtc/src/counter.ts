// Owns one client's virtual counter: the service it was given, divided by its weight. Whose turn it is, and when a
// counter is lifted, is decided over it. Invariants: the counter is an integer below 2^53 in weighted service units;
// between two changes of weight it is the exact quotient rounded down, since what a division leaves over is carried.
import { assert, AssertionError } from "@fairlane/base";
import { WEIGHT_MAX } from "./limits.ts";

/** Whether a tenant may have this weight: an integer, 1 .. WEIGHT_MAX. */
export function isWeight(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= WEIGHT_MAX;
}

export class VirtualCounter {
  #key = 0;
  #weight = 1;
  /** Service units that were charged and are not in the key yet: 0 .. weight - 1. */
  #carry = 0;

  /** [VTC] Alg. 2, c_i, in service units over the weight. */
  get key(): number {
    return this.#key;
  }

  get weight(): number {
    return this.#weight;
  }

  get carry(): number {
    return this.#carry;
  }

  /** Later charges count by this weight; the key does not move. */
  setWeight(weight: number): void {
    if (weight === this.#weight) return;
    assert(isWeight(weight), `a weight is an integer from 1 to ${WEIGHT_MAX}, got ${weight}`);
    // Less than one unit of the key is at stake; rounding it down keeps the carry below the new weight.
    this.#carry = Math.floor((this.#carry * weight) / this.#weight);
    this.#weight = weight;
  }

  /** Adds service; negative units take it away. */
  charge(units: number): void {
    const total = this.#carry + units;
    const quotient = Math.floor(total / this.#weight);
    this.#carry = total - quotient * this.#weight;
    this.#key += quotient;
    // A message is made only when it is needed: this runs for every client of every step.
    if (!Number.isSafeInteger(this.#key) || !Number.isSafeInteger(total)) {
      throw new AssertionError(`a charge of ${units} units makes the counter ${this.#key}`);
    }
  }

  /** Gives back units that were charged at `weight`; rounded up to the key's unit when the weight has changed. */
  giveBack(units: number, weight: number): void {
    if (weight === this.#weight) this.charge(-units);
    else this.#key -= Math.floor(units / weight);
  }

  /** Adds service that is divided by a weight already: what other nodes gave the client. */
  addWeighted(units: number): void {
    this.#key += units;
    assert(Number.isSafeInteger(this.#key), `${units} weighted units make ${this.#key}`);
  }

  /** [VTC] Alg. 2: raises the counter to `key`; never lowers it. */
  liftTo(key: number): void {
    if (key <= this.#key) return;
    this.#key = key;
    this.#carry = 0;
  }

  /** Subtracts from the counter what is subtracted from all: differences stay. */
  rebase(units: number): void {
    this.#key -= units;
  }

  /** Takes over a state that was saved. */
  restore(state: { readonly key: number; readonly carry: number; readonly weight: number }): void {
    const { key, carry, weight } = state;
    assert(Number.isSafeInteger(key), `a saved counter is ${key}`);
    assert(isWeight(weight), `a saved weight is ${weight}`);
    assert(Number.isInteger(carry) && carry >= 0 && carry < weight, `a saved carry is ${carry}`);
    this.#key = key;
    this.#carry = carry;
    this.#weight = weight;
  }
}
