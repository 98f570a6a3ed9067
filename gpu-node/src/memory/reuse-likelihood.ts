// Owns how likely a kept object is to be used again. [LRFU] Combined recency and frequency: the count of its uses, each
// one halved with every half-life, here in turnovers of the pool. How fast uses should fade differs by what is served:
// popular prompts keep their rank, conversations end. So the counts are kept under several half-lives, and the one is
// believed under which the uses of late came least as a surprise. It orders nothing and evicts nothing.
// Invariant: between two choices of a half-life, the order of two likelihoods never changes without a use.
import { assert } from "@fairlane/base";

/** In turnovers; the middle one is believed at first. */
const HALF_LIVES = [0.75, 3, 12] as const;
const FIRST_CHOICE = 1;
/** What the first use counts: much of what is used once does not come back. */
const FIRST_USE = 0.5;
/** Turnovers after which a surprise counts half. */
const SURPRISE_HALF_LIFE = 3;
/** Uses a turnover that are expected of anything, however long ago it was used: bounds a single surprise. */
const RATE_MIN = 1e-4;
/** Turnovers between two choices: what follows a choice costs time in proportion to all that is kept. */
const CHOICE_EVERY = 0.25;

/** Uses of one object; changed by `count` only. */
export interface Uses {
  /** By half-life, as of atTurnovers. */
  readonly counts: [number, number, number];
  atTurnovers: number;
}

export class ReuseLikelihood {
  readonly #poolBytes: number;
  /** Late log2-likelihoods of the uses, by half-life: the highest is believed. */
  readonly #evidence: [number, number, number] = [0, 0, 0];
  #evidenceAt = 0;
  #choice: 0 | 1 | 2 = FIRST_CHOICE;
  #chosenAt = 0;
  /** Bytes taken in so far over the pool's. */
  #turnovers = 0;

  constructor(poolBytes: number) {
    assert(poolBytes > 0, `a pool of ${poolBytes} bytes`);
    this.#poolBytes = poolBytes;
  }

  /** Turnovers of the half-life that is believed. */
  get halfLife(): number {
    return HALF_LIVES[this.#choice];
  }

  /** Notes that bytes came into the pool; true when another half-life is believed from now on. */
  takeIn(bytes: number): boolean {
    this.#turnovers += bytes / this.#poolBytes;
    if (this.#turnovers - this.#chosenAt < CHOICE_EVERY) return false;
    this.#chosenAt = this.#turnovers;
    const before = this.#choice;
    for (const index of [0, 1, 2] as const) {
      if (this.#evidence[index] > this.#evidence[this.#choice]) this.#choice = index;
    }
    return this.#choice !== before;
  }

  /** The first use of an object that is not remembered. */
  firstUse(): Uses {
    const counts: Uses["counts"] = [FIRST_USE, FIRST_USE, FIRST_USE];
    return { counts, atTurnovers: this.#turnovers };
  }

  /** A further use. */
  count(uses: Uses): void {
    const evidenceKept = 2 ** ((this.#evidenceAt - this.#turnovers) / SURPRISE_HALF_LIFE);
    const gone = this.#turnovers - uses.atTurnovers;
    for (const index of [0, 1, 2] as const) {
      const halfLife = HALF_LIVES[index];
      const count = uses.counts[index] * 2 ** (-gone / halfLife);
      // A count that halves so fast stands for so many uses a turnover.
      const evidence = Math.log2(count / halfLife + RATE_MIN);
      this.#evidence[index] = this.#evidence[index] * evidenceKept + evidence;
      uses.counts[index] = count + 1;
    }
    uses.atTurnovers = this.#turnovers;
    this.#evidenceAt = this.#turnovers;
  }

  /** For comparison only: log2 of what the count would have been at turnover 0, had it been halved ever since. */
  log2Of({ counts, atTurnovers }: Uses): number {
    return Math.log2(counts[this.#choice]) + atTurnovers / this.halfLife;
  }
}
