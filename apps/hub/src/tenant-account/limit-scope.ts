// Owns the live limits of one scope, a tenant, a project or a key: its buckets per minute and how many requests it
// runs and how much money they hold. In memory, under a durable cover: more held requests and money and lower buckets
// than there are, so that most admissions write nothing. After a restart the whole cover counts as taken until its leases end.
// Invariant: while `uncovered` answers nothing, what the cover says is never less than what is taken.
import type { RateLimits } from "@fairlane/protocol";
import { COVER_LEASE_AHEAD_MS, COVER_REQUESTS_MIN, COVER_SLACK_PERCENT } from "../limits.ts";
import { RateBucket, type BucketFloor } from "./rate-bucket.ts";

export const BUCKET_NAMES = ["requests", "tokens", "inputTokens", "outputTokens"] as const;
export type BucketName = (typeof BUCKET_NAMES)[number];
/** What one request takes of each bucket. */
export type BucketUnits = Readonly<Record<BucketName, number>>;

/** What is durable of a scope. */
export interface ScopeCover {
  readonly heldRequests: number;
  readonly heldNanoUsd: number;
  readonly leaseUntilMs: number;
  readonly floors: Readonly<Partial<Record<BucketName, BucketFloor>>>;
}

export class LimitScope {
  readonly scopeId: string;
  readonly #buckets = new Map<BucketName, RateBucket>();
  #parallelRequests: number | null = null;
  /** What is held bounds what more may be: it is covered. */
  #isFunded = false;
  #heldRequests = 0;
  #heldNanoUsd = 0;
  #leaseUntilMs = 0;
  /** Held before the last restart, by the cover; nobody knows which requests they were. */
  #orphanRequests: number;
  #orphanNanoUsd: number;
  readonly #orphansUntilMs: number;
  #cover: ScopeCover | undefined;

  /**
   * @param cover what an earlier account of the tenant left, if one did
   * @param roomNanoUsd the most that can have been held, since limits were kept
   */
  constructor(scopeId: string, cover: ScopeCover | undefined, roomNanoUsd: number) {
    this.scopeId = scopeId;
    this.#cover = cover;
    this.#orphanRequests = cover?.heldRequests ?? 0;
    this.#orphanNanoUsd = Math.min(cover?.heldNanoUsd ?? 0, roomNanoUsd);
    this.#orphansUntilMs = cover?.leaseUntilMs ?? 0;
  }

  /** Takes over changed limits; what is taken and held stays. */
  configure(limits: RateLimits, isFunded: boolean, nowMs: number): void {
    this.#isFunded = isFunded;
    this.#parallelRequests = limits.parallelRequests;
    // No more can have run, however wide the cover was.
    const orphansMax = limits.parallelRequests ?? Number.POSITIVE_INFINITY;
    this.#orphanRequests = Math.min(this.#orphanRequests, orphansMax);
    const perMinute = {
      requests: limits.requestsPerMinute,
      tokens: limits.tokensPerMinute,
      inputTokens: limits.inputTokensPerMinute,
      outputTokens: limits.outputTokensPerMinute,
    };
    for (const name of BUCKET_NAMES) {
      const limit = perMinute[name];
      const bucket = this.#buckets.get(name);
      if (limit === null) this.#buckets.delete(name);
      else if (bucket) bucket.configure(limit, nowMs);
      else this.#buckets.set(name, new RateBucket(limit, nowMs, this.#cover?.floors[name]));
    }
  }

  /** Null when this scope does not bound it. */
  get parallelRequests(): number | null {
    return this.#parallelRequests;
  }

  bucket(name: BucketName): RateBucket | undefined {
    return this.#buckets.get(name);
  }

  /** Requests that run, or may run since before a restart. */
  runningRequests(nowMs: number): number {
    this.#forgetOrphans(nowMs);
    return this.#heldRequests + this.#orphanRequests;
  }

  /** Money that they hold. */
  heldNanoUsd(nowMs: number): number {
    this.#forgetOrphans(nowMs);
    return this.#heldNanoUsd + this.#orphanNanoUsd;
  }

  /** Counts a request that runs from now on. */
  hold(nanoUsd: number, leaseUntilMs: number): void {
    this.#heldRequests += 1;
    this.#heldNanoUsd += nanoUsd;
    this.#leaseUntilMs = Math.max(this.#leaseUntilMs, leaseUntilMs);
  }

  /** Counts the end of a request that was held here. */
  unhold(nanoUsd: number): void {
    this.#heldRequests -= 1;
    this.#heldNanoUsd -= nanoUsd;
  }

  /** A request that is held here holds another amount from now on. */
  rehold(moreNanoUsd: number): void {
    this.#heldNanoUsd += moreNanoUsd;
  }

  /** A request that was held before the restart has ended, or is known again; it held at least this much. */
  orphanEnded(nanoUsd: number): void {
    this.#orphanRequests = Math.max(0, this.#orphanRequests - 1);
    this.#orphanNanoUsd = Math.max(0, this.#orphanNanoUsd - nanoUsd);
  }

  /** Takes units of every bucket that there is, of each at most a whole minute's; negative numbers give back. */
  take(units: BucketUnits, nowMs: number): void {
    for (const [name, bucket] of this.#buckets) bucket.take(capped(units[name], bucket), nowMs);
  }

  /** Corrects what `take` took of a request from its estimate to what was used. */
  correct(estimate: BucketUnits, used: BucketUnits, nowMs: number): void {
    for (const [name, bucket] of this.#buckets) {
      bucket.take(used[name] - capped(estimate[name], bucket), nowMs);
    }
  }

  /** The cover to write, when the durable one does not cover what is taken; undefined when it does. */
  uncovered(nowMs: number): ScopeCover | undefined {
    const heldRequests = this.#parallelRequests === null ? 0 : this.runningRequests(nowMs);
    const heldNanoUsd = this.#isFunded ? this.heldNanoUsd(nowMs) : 0;
    const cover = this.#cover;
    const isCovered =
      cover !== undefined &&
      heldRequests <= cover.heldRequests &&
      heldNanoUsd <= cover.heldNanoUsd &&
      ((heldRequests === 0 && heldNanoUsd === 0) || this.#leaseUntilMs <= cover.leaseUntilMs) &&
      [...this.#buckets].every(([name, bucket]) => {
        const floor = cover.floors[name];
        return floor !== undefined && !bucket.isBelow(floor, nowMs);
      });
    if (isCovered) return undefined;
    // Twice what may grow; what an earlier object held only ends. Twice that too would double with each restart.
    const ownRequests = Math.max(COVER_REQUESTS_MIN, 2 * this.#heldRequests);
    const ownNanoUsd = this.#isFunded ? this.#heldNanoUsd : 0;
    return {
      heldRequests: heldRequests === 0 ? 0 : this.#orphanRequests + ownRequests,
      heldNanoUsd: Math.min(Number.MAX_SAFE_INTEGER, heldNanoUsd + ownNanoUsd),
      leaseUntilMs: Math.max(this.#orphansUntilMs, this.#leaseUntilMs) + COVER_LEASE_AHEAD_MS,
      floors: this.#floors(nowMs),
    };
  }

  /** The cover to write when nothing runs and the durable one says that something does; undefined otherwise. */
  loose(nowMs: number): ScopeCover | undefined {
    const cover = this.#cover;
    if (!cover || (cover.heldRequests === 0 && cover.heldNanoUsd === 0)) return undefined;
    if (this.runningRequests(nowMs) > 0 || this.heldNanoUsd(nowMs) > 0) return undefined;
    return { heldRequests: 0, heldNanoUsd: 0, leaseUntilMs: 0, floors: this.#floors(nowMs) };
  }

  #floors(nowMs: number): ScopeCover["floors"] {
    const floors = [...this.#buckets].map(([name, bucket]) => {
      const slackUnits = Math.floor((bucket.perMinute * COVER_SLACK_PERCENT) / 100);
      return [name, bucket.floor(slackUnits, nowMs)] as const;
    });
    return Object.fromEntries(floors);
  }

  #forgetOrphans(nowMs: number): void {
    if (nowMs < this.#orphansUntilMs) return;
    this.#orphanRequests = 0;
    this.#orphanNanoUsd = 0;
  }

  /** Notes that a cover is written. */
  covered(cover: ScopeCover): void {
    this.#cover = cover;
  }
}

/** An estimate above the limit takes the whole bucket instead of never being admitted. */
export function capped(units: number, bucket: RateBucket): number {
  return Math.min(units, bucket.perMinute);
}
