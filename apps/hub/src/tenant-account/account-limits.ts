// Owns a tenant's live limits, its own and those of its projects and keys, and the holds of what runs. In memory,
// under durable covers (limit-scope.ts), so that most admissions commit nothing. Invariant: a hold's tokens are taken
// from every bucket once, and corrected to the actual number once, when it is settled; nothing is admitted past a
// limit, a restart included.
import { assert } from "@fairlane/base";
import { ReservationBook, type Reservation } from "@fairlane/ledger";
import type { AccountConfig, RateLimits, RateState } from "@fairlane/protocol";
import { HOLDS_MAX, SCOPE_LIMITS_MAX } from "../limits.ts";
import type { CoverStore } from "./cover-store.ts";
import { LimitScope, type BucketUnits } from "./limit-scope.ts";

/** Whose limits count for a request. */
export interface Caller {
  readonly projectId: string;
  readonly keyId: string;
}

export interface AccountHold extends Reservation {
  readonly caller: Caller;
  /** Taken of every bucket, but for the caps of small ones. */
  readonly units: BucketUnits;
}

export class AccountLimits {
  readonly holds = new ReservationBook<AccountHold>(HOLDS_MAX);
  readonly #covers: CoverStore;
  readonly #tenantId: string;
  /** Those that have limits: the tenant, and at most SCOPE_LIMITS_MAX below it. */
  readonly #scopes = new Map<string, LimitScope>();

  constructor(config: AccountConfig, covers: CoverStore, nowMs: number) {
    this.#tenantId = config.tenantId;
    this.#covers = covers;
    this.configure(config, nowMs);
  }

  /** Takes over changed limits; holds and what is taken stay. Throws before any change when a number is out of range. */
  configure(config: AccountConfig, nowMs: number): void {
    assert(config.scopeLimits.length <= SCOPE_LIMITS_MAX, "too many limits below the tenant's");
    const wanted = new Map<string, RateLimits>([
      [config.tenantId, config],
      ...config.scopeLimits.map((limits) => [limits.scopeId, limits] as const),
    ]);
    for (const limits of wanted.values()) new LimitScope("", undefined).configure(limits, nowMs);
    for (const scopeId of this.#scopes.keys()) {
      if (wanted.has(scopeId)) continue;
      this.#scopes.delete(scopeId);
      this.#covers.delete(scopeId);
    }
    for (const [scopeId, limits] of wanted) {
      const scope = this.#scopes.get(scopeId) ?? this.#newScope(scopeId);
      scope.configure(limits, nowMs);
      this.#scopes.set(scopeId, scope);
    }
    this.cover([...this.#scopes.values()], nowMs);
  }

  /** The scopes with limits that a caller belongs to, its tenant first. */
  scopesOf({ projectId, keyId }: Caller): readonly LimitScope[] {
    return [this.#tenantId, projectId, keyId].flatMap((id) => this.#scopes.get(id) ?? []);
  }

  /** Takes what an admitted request may use. The caller has looked at the limits. */
  hold(hold: AccountHold, nowMs: number): void {
    const held = this.holds.reserve(hold);
    assert(held.ok, `hold of ${hold.requestId} failed after its guards`);
    const scopes = this.scopesOf(hold.caller);
    for (const scope of scopes) {
      scope.take(hold.units, nowMs);
      scope.hold(hold.leaseUntilMs);
    }
    this.cover(scopes, nowMs);
  }

  /** Takes one request of a route that computes nothing. */
  takeRequest(caller: Caller, nowMs: number): void {
    const scopes = this.scopesOf(caller);
    const units = { requests: 1, tokens: 0, inputTokens: 0, outputTokens: 0 };
    for (const scope of scopes) scope.take(units, nowMs);
    this.cover(scopes, nowMs);
  }

  /** Ends the hold of a request and corrects the buckets from its estimate to what was used. */
  settle(
    used: {
      readonly requestId: string;
      readonly caller: Caller;
      readonly units: BucketUnits;
      /** It may have been admitted before the account's last restart. */
      readonly mayBeOrphan: boolean;
    },
    nowMs: number,
  ): void {
    const hold = this.holds.settle(used.requestId);
    const scopes = this.scopesOf(hold?.caller ?? used.caller);
    for (const scope of scopes) {
      if (hold) {
        scope.unhold();
        scope.correct(hold.units, used.units, nowMs);
      } else if (used.mayBeOrphan) scope.orphanEnded();
    }
    this.cover(scopes, nowMs);
  }

  /** Ends the hold of a request that never ran; its tokens go back. */
  release(requestId: string, nowMs: number): void {
    const hold = this.holds.void(requestId);
    if (!hold) return;
    const nothing = { requests: 1, tokens: 0, inputTokens: 0, outputTokens: 0 };
    for (const scope of this.scopesOf(hold.caller)) {
      scope.unhold();
      scope.correct(hold.units, nothing, nowMs);
    }
  }

  /** Ends holds whose lease is over; their tokens stay taken, since they may have been used. */
  expire(nowMs: number): readonly AccountHold[] {
    const expired = this.holds.expire(nowMs);
    for (const { caller } of expired) for (const scope of this.scopesOf(caller)) scope.unhold();
    return expired;
  }

  /** The numbers of the x-ratelimit-* headers: of the scope that has the least left. */
  rates(caller: Caller, nowMs: number): RateState {
    const scopes = this.scopesOf(caller);
    const [requests, tokens] = (["requests", "tokens"] as const).map((name) => {
      const buckets = scopes.flatMap((scope) => scope.bucket(name) ?? []);
      const remaining = buckets.map((bucket) => bucket.remaining(nowMs));
      const bucket = buckets[remaining.indexOf(Math.min(...remaining))];
      assert(bucket !== undefined, `the tenant has no limit of ${name}`);
      return bucket;
    });
    assert(requests !== undefined && tokens !== undefined, "two names, two buckets");
    return {
      limitRequests: requests.perMinute,
      remainingRequests: requests.remaining(nowMs),
      resetRequestsMs: requests.resetMs(nowMs),
      limitTokens: tokens.perMinute,
      remainingTokens: tokens.remaining(nowMs),
      resetTokensMs: tokens.resetMs(nowMs),
    };
  }

  /** Makes durable what the durable covers do not cover. */
  cover(scopes: readonly LimitScope[], nowMs: number): void {
    for (const scope of scopes) {
      const cover = scope.uncovered(nowMs);
      if (!cover) continue;
      this.#covers.write(scope.scopeId, cover);
      scope.covered(cover);
    }
  }

  /** A scope that has limits from now on, with what runs of it already. */
  #newScope(scopeId: string): LimitScope {
    const scope = new LimitScope(scopeId, this.#covers.read(scopeId));
    for (const { caller, leaseUntilMs } of this.holds.values()) {
      if (caller.projectId === scopeId || caller.keyId === scopeId) scope.hold(leaseUntilMs);
    }
    return scope;
  }
}
