// Owns one continuously refilled limit per minute: requests, or tokens. In memory, integers only: the level is kept
// in parts of 1/60,000 of a unit, so that a millisecond refills exactly `perMinute` parts. The level may fall below
// zero, by at most one minute's worth, when a settlement takes more than was estimated.
// Invariant: -capacity <= level <= capacity.
import { assert } from "@fairlane/base";
import { RATE_PER_MINUTE_MAX } from "../limits.ts";

const PARTS_PER_UNIT = 60_000;

/** A level below which a bucket has not fallen since: what is kept durably of it. */
export interface BucketFloor {
  readonly levelParts: number;
  readonly atMs: number;
}

export class RateBucket {
  #perMinute: number;
  #levelParts: number;
  #refilledMs: number;

  /** Starts full, or as low as its floor says, and refilled since. */
  constructor(perMinute: number, nowMs: number, floor?: BucketFloor) {
    this.#perMinute = checked(perMinute);
    this.#levelParts = floor?.levelParts ?? this.#capacityParts;
    this.#refilledMs = floor?.atMs ?? nowMs;
    this.#refill(nowMs);
  }

  get perMinute(): number {
    return this.#perMinute;
  }

  /** Changes the limit; what is taken stays taken. */
  configure(perMinute: number, nowMs: number): void {
    this.#refill(nowMs);
    const takenParts = this.#capacityParts - this.#levelParts;
    this.#perMinute = checked(perMinute);
    this.#set(this.#capacityParts - takenParts);
  }

  /** Whole units that can be taken now; 0 when the level is below zero. */
  remaining(nowMs: number): number {
    this.#refill(nowMs);
    return Math.max(0, Math.floor(this.#levelParts / PARTS_PER_UNIT));
  }

  /** Milliseconds until `units` can be taken; 0 when they can be now. */
  waitMs(units: number, nowMs: number): number {
    assert(units <= this.#perMinute, `${units} never fit into ${this.#perMinute} a minute`);
    this.#refill(nowMs);
    const missingParts = units * PARTS_PER_UNIT - this.#levelParts;
    return missingParts <= 0 ? 0 : Math.ceil(missingParts / this.#perMinute);
  }

  /** Milliseconds until it is full again. */
  resetMs(nowMs: number): number {
    return this.waitMs(this.#perMinute, nowMs);
  }

  /** Takes units; a negative number gives some back. */
  take(units: number, nowMs: number): void {
    this.#refill(nowMs);
    this.#set(this.#levelParts - units * PARTS_PER_UNIT);
  }

  /** A floor that lies `slackUnits` under the level of now. */
  floor(slackUnits: number, nowMs: number): BucketFloor {
    this.#refill(nowMs);
    const levelParts = Math.max(
      -this.#capacityParts,
      this.#levelParts - slackUnits * PARTS_PER_UNIT,
    );
    return { levelParts, atMs: nowMs };
  }

  /** True when more was taken than the floor, refilled until now, allows for. */
  isBelow(floor: BucketFloor, nowMs: number): boolean {
    this.#refill(nowMs);
    const capacity = this.#capacityParts;
    const refilled = floor.levelParts + refillParts(nowMs - floor.atMs, this.#perMinute);
    return this.#levelParts < Math.max(-capacity, Math.min(capacity, refilled));
  }

  get #capacityParts(): number {
    return this.#perMinute * PARTS_PER_UNIT;
  }

  #refill(nowMs: number): void {
    const parts = refillParts(nowMs - this.#refilledMs, this.#perMinute);
    this.#refilledMs = nowMs;
    this.#set(this.#levelParts + parts);
  }

  #set(levelParts: number): void {
    const capacity = this.#capacityParts;
    this.#levelParts = Math.max(-capacity, Math.min(capacity, levelParts));
    assert(Number.isSafeInteger(this.#levelParts), `level of ${this.#levelParts} parts`);
  }
}

/** Two minutes fill any bucket; the cap keeps the product exact. Time that steps back refills nothing. */
function refillParts(elapsedMs: number, perMinute: number): number {
  return Math.min(Math.max(0, elapsedMs), 2 * PARTS_PER_UNIT) * perMinute;
}

function checked(perMinute: number): number {
  assert(
    Number.isSafeInteger(perMinute) && perMinute >= 1 && perMinute <= RATE_PER_MINUTE_MAX,
    `a limit per minute is 1 to ${RATE_PER_MINUTE_MAX}, got ${perMinute}`,
  );
  return perMinute;
}
