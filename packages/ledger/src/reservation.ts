// Owns reservations: tokens held for admitted requests until they are settled, voided or their lease ends.
// In memory only; who keeps one decides what a restart means. Invariant: a reservation ends exactly once, and
// reserved = held + settled + voided + expired, counted in estimated tokens.
import { assert, err, ok, type Result } from "@fairlane/base";

export interface Reservation {
  readonly requestId: string;
  readonly tokensEstimate: number;
  readonly leaseUntilMs: number;
}

/** Sums of estimates since the book was made. */
export interface ReservationTotals {
  readonly reservedTokens: number;
  readonly heldTokens: number;
  readonly settledTokens: number;
  readonly voidedTokens: number;
  readonly expiredTokens: number;
}

/** @typeParam Held what its owner keeps of each */
export class ReservationBook<Held extends Reservation = Reservation> {
  readonly capacity: number;
  readonly #held = new Map<string, Held>();
  readonly #endedTokens = { settled: 0, voided: 0, expired: 0 };
  #reservedTokens = 0;
  #firstLeaseMs = Number.POSITIVE_INFINITY;

  /** @param capacity most reservations held at once */
  constructor(capacity: number) {
    assert(Number.isSafeInteger(capacity) && capacity >= 1, `capacity must be >= 1: ${capacity}`);
    this.capacity = capacity;
  }

  get count(): number {
    return this.#held.size;
  }

  get totals(): ReservationTotals {
    const { settled, voided, expired } = this.#endedTokens;
    return {
      reservedTokens: this.#reservedTokens,
      heldTokens: this.#reservedTokens - settled - voided - expired,
      settledTokens: settled,
      voidedTokens: voided,
      expiredTokens: expired,
    };
  }

  has(requestId: string): boolean {
    return this.#held.has(requestId);
  }

  get(requestId: string): Held | undefined {
    return this.#held.get(requestId);
  }

  /** All that is held now. */
  values(): Iterable<Held> {
    return this.#held.values();
  }

  /** Replaces a reservation that is held by a changed one with the same estimate and lease. */
  replace(changed: Held): void {
    const held = this.#held.get(changed.requestId);
    assert(
      held !== undefined &&
        held.tokensEstimate === changed.tokensEstimate &&
        held.leaseUntilMs === changed.leaseUntilMs,
      `reservation of ${changed.requestId} cannot be replaced`,
    );
    this.#held.set(changed.requestId, changed);
  }

  /** Holds tokens for a request. */
  reserve(reservation: Held): Result<Held, "already_held" | "book_full"> {
    const { requestId, tokensEstimate, leaseUntilMs } = reservation;
    if (this.#held.has(requestId)) return err("already_held");
    if (this.#held.size >= this.capacity) return err("book_full");
    assert(
      Number.isSafeInteger(tokensEstimate) && tokensEstimate >= 0,
      `estimate of ${requestId} is ${tokensEstimate}`,
    );
    this.#held.set(requestId, reservation);
    this.#reservedTokens += tokensEstimate;
    this.#firstLeaseMs = Math.min(this.#firstLeaseMs, leaseUntilMs);
    return ok(reservation);
  }

  /** Ends a reservation whose usage is known; undefined when it is not held (settled twice, or expired). */
  settle(requestId: string): Held | undefined {
    return this.#end(requestId, "settled");
  }

  /** Ends a reservation of a request that never ran; undefined when it is not held. */
  void(requestId: string): Held | undefined {
    return this.#end(requestId, "voided");
  }

  /** Ends every reservation whose lease is over. O(1) until the first lease ends. */
  expire(nowMs: number): readonly Held[] {
    if (nowMs < this.#firstLeaseMs) return [];
    const expired: Held[] = [];
    this.#firstLeaseMs = Number.POSITIVE_INFINITY;
    for (const held of this.#held.values()) {
      if (held.leaseUntilMs <= nowMs) expired.push(held);
      else this.#firstLeaseMs = Math.min(this.#firstLeaseMs, held.leaseUntilMs);
    }
    for (const { requestId } of expired) this.#end(requestId, "expired");
    return expired;
  }

  #end(requestId: string, how: "settled" | "voided" | "expired"): Held | undefined {
    const ended = this.#held.get(requestId);
    if (ended === undefined) return undefined;
    this.#held.delete(requestId);
    this.#endedTokens[how] += ended.tokensEstimate;
    assert(this.totals.heldTokens >= 0, `held tokens fell to ${this.totals.heldTokens}`);
    return ended;
  }
}
