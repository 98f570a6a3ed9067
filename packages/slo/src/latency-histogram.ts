// Owns a histogram of latencies in whole microseconds: fixed memory, quantiles within a hundredth of the true value,
// mergeable over nodes and runs. It keeps no single sample. Invariant: `count` is the sum of all buckets, and every
// quantile lies between the smallest and the largest recorded value.
import { assert } from "@fairlane/base";

/** Values below are counted exactly; above, a power of two is split into half as many buckets. */
const EXACT_US = 128;
const EXACT_BITS = 7;
const PER_OCTAVE = EXACT_US / 2;
/** Longer latencies count as this one: 2^42 us are 51 days. */
const OCTAVES_MAX = 42;
const BUCKET_COUNT = EXACT_US + (OCTAVES_MAX - EXACT_BITS) * PER_OCTAVE;

export class LatencyHistogram {
  readonly #buckets = new Float64Array(BUCKET_COUNT);
  #count = 0;
  #sumUs = 0;
  #minUs = Number.POSITIVE_INFINITY;
  #maxUs = 0;

  get count(): number {
    return this.#count;
  }

  /** 0 when nothing was recorded. */
  get maxUs(): number {
    return this.#maxUs;
  }

  /** Null when nothing was recorded. */
  get meanUs(): number | null {
    return this.#count === 0 ? null : this.#sumUs / this.#count;
  }

  /** Notes one latency. */
  record(latencyUs: number): void {
    assert(
      Number.isSafeInteger(latencyUs) && latencyUs >= 0,
      `a latency is whole microseconds, got ${latencyUs}`,
    );
    const bucket = bucketOf(latencyUs);
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1;
    this.#count += 1;
    this.#sumUs += latencyUs;
    this.#minUs = Math.min(this.#minUs, latencyUs);
    this.#maxUs = Math.max(this.#maxUs, latencyUs);
  }

  /** Adds what another histogram has recorded. */
  merge(other: LatencyHistogram): void {
    other.#buckets.forEach((count, index) => {
      this.#buckets[index] = (this.#buckets[index] ?? 0) + count;
    });
    this.#count += other.#count;
    this.#sumUs += other.#sumUs;
    this.#minUs = Math.min(this.#minUs, other.#minUs);
    this.#maxUs = Math.max(this.#maxUs, other.#maxUs);
  }

  /** The latency that a share `quantile` of all is at or below (nearest rank); null when nothing was recorded. */
  quantileUs(quantile: number): number | null {
    assert(quantile >= 0 && quantile <= 1, `a quantile lies in 0 .. 1, got ${quantile}`);
    if (this.#count === 0) return null;
    const rank = Math.max(1, Math.ceil(quantile * this.#count));
    if (rank === this.#count) return this.#maxUs;
    let seen = 0;
    const bucket = this.#buckets.findIndex((count) => (seen += count) >= rank);
    return Math.min(this.#maxUs, Math.max(this.#minUs, middleOf(bucket)));
  }
}

function bucketOf(latencyUs: number): number {
  if (latencyUs < EXACT_US) return latencyUs;
  const octave = Math.floor(Math.log2(latencyUs));
  if (octave >= OCTAVES_MAX) return BUCKET_COUNT - 1;
  const within = Math.floor(latencyUs / 2 ** (octave - EXACT_BITS + 1)) - PER_OCTAVE;
  return EXACT_US + (octave - EXACT_BITS) * PER_OCTAVE + within;
}

/** The whole microsecond in a bucket's middle. */
function middleOf(bucket: number): number {
  if (bucket < EXACT_US) return bucket;
  const octave = Math.floor((bucket - EXACT_US) / PER_OCTAVE) + EXACT_BITS;
  const within = (bucket - EXACT_US) % PER_OCTAVE;
  const widthUs = 2 ** (octave - EXACT_BITS + 1);
  return (PER_OCTAVE + within) * widthUs + (widthUs - 1) / 2 - ((widthUs - 1) % 2) / 2;
}
