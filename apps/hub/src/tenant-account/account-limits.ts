// Owns a tenant's live limits, its own and those of its projects and keys, and the holds of what runs. In memory,
// under durable covers (limit-scope.ts), so that most admissions commit nothing. Invariant: a hold's tokens are taken
// from every bucket once, and corrected to the actual number once, when it is settled; nothing is admitted past a
// limit, a restart included.
import { assert } from "@fairlane/base";
import { ReservationBook, type Reservation } from "@fairlane/ledger";
import type { AccountConfig, RateLimits, RateState } from "@fairlane/protocol";
import { COVER_RELAX_MS, HOLDS_MAX, SCOPE_LIMITS_MAX } from "../limits.ts";
import type { CoverStore } from "./cover-store.ts";
import type { Funds } from "./funds.ts";
import { LimitScope, type BucketUnits, type ScopeCover } from "./limit-scope.ts";

/** Whose limits count for a request. */
export interface Caller {
  readonly projectId: string;
  readonly keyId: string;
}

export interface AccountHold extends Reservation {
  readonly caller: Caller;
  /** Taken of every bucket, but for the caps of small ones; null when they were before a restart, and stay so. */
  readonly units: BucketUnits | null;
  readonly nanoUsd: number;
  /** The newest attempt that is known of; the end of an earlier one does not end the hold. */
  readonly attempt: number;
  /** Output tokens of each answer that the money is for; null when nobody minds. */
  readonly grantTokens: number | null;
}

const NO_LIMITS: RateLimits = {
  requestsPerMinute: null,
  tokensPerMinute: null,
  inputTokensPerMinute: null,
  outputTokensPerMinute: null,
  parallelRequests: null,
};

export class AccountLimits {
  readonly holds = new ReservationBook<AccountHold>(HOLDS_MAX);
  readonly #covers: CoverStore;
  readonly #funds: Funds;
  readonly #tenantId: string;
  /** Since when nothing runs, while covers still say that something does. */
  #idleSinceMs: number | undefined;
  /** Those that have limits: the tenant, and at most SCOPE_LIMITS_MAX below it. */
  readonly #scopes = new Map<string, LimitScope>();

  constructor(
    config: AccountConfig,
    books: { readonly covers: CoverStore; readonly funds: Funds },
    nowMs: number,
  ) {
    this.#tenantId = config.tenantId;
    this.#covers = books.covers;
    this.#funds = books.funds;
    this.configure(config, nowMs);
  }

  /** Takes over changed limits; holds and what is taken stay. Throws before any change when a number is out of range. */
  configure(config: AccountConfig, nowMs: number): void {
    assert(config.scopeLimits.length <= SCOPE_LIMITS_MAX, "too many limits below the tenant's");
    const wanted = new Map<string, RateLimits>([
      [config.tenantId, config],
      ...config.scopeLimits.map((limits) => [limits.scopeId, limits] as const),
    ]);
    for (const limits of wanted.values()) {
      new LimitScope("", undefined, 0).configure(limits, false, nowMs);
    }
    this.#funds.configure(config);
    const funded = this.#funds.scopeIds;
    for (const scopeId of funded) if (!wanted.has(scopeId)) wanted.set(scopeId, NO_LIMITS);
    for (const scopeId of this.#scopes.keys()) {
      if (wanted.has(scopeId)) continue;
      this.#scopes.delete(scopeId);
      this.#covers.delete(scopeId);
    }
    for (const [scopeId, limits] of wanted) {
      const scope = this.#scopes.get(scopeId) ?? this.#newScope(scopeId, nowMs);
      scope.configure(limits, funded.has(scopeId), nowMs);
      this.#scopes.set(scopeId, scope);
    }
    this.cover([...this.#scopes.values()], nowMs);
  }

  /** What running requests of a scope hold; 0 for one without budgets and limits. */
  heldNanoUsd(scopeId: string, nowMs: number): number {
    return this.#scopes.get(scopeId)?.heldNanoUsd(nowMs) ?? 0;
  }

  /** The scopes with limits that a caller belongs to, its tenant first. */
  scopesOf({ projectId, keyId }: Caller): readonly LimitScope[] {
    return [this.#tenantId, projectId, keyId].flatMap((id) => this.#scopes.get(id) ?? []);
  }

  /** Takes what an admitted request may use. The caller has looked at the limits. */
  hold(hold: AccountHold, nowMs: number): void {
    const held = this.holds.reserve(hold);
    assert(held.ok, `hold of ${hold.requestId} failed after its guards`);
    this.#idleSinceMs = undefined;
    const scopes = this.scopesOf(hold.caller);
    for (const scope of scopes) {
      if (hold.units) scope.take(hold.units, nowMs);
      scope.hold(hold.nanoUsd, hold.leaseUntilMs);
    }
    this.cover(scopes, nowMs);
  }

  /** Holds what an earlier account of the tenant held. */
  adopt(hold: AccountHold, nowMs: number): AccountHold {
    for (const scope of this.scopesOf(hold.caller)) scope.orphanEnded(hold.nanoUsd);
    this.hold(hold, nowMs);
    return hold;
  }

  /** Changes what a hold is for. */
  rehold(changed: AccountHold, nowMs: number): void {
    const before = this.holds.get(changed.requestId);
    assert(before !== undefined, `${changed.requestId} holds nothing`);
    this.holds.replace(changed);
    const scopes = this.scopesOf(changed.caller);
    for (const scope of scopes) scope.rehold(changed.nanoUsd - before.nanoUsd);
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
      readonly attempt: number;
      readonly caller: Caller;
      readonly units: BucketUnits;
      readonly nanoUsd: number;
      /** It may have been admitted before the account's last restart. */
      readonly mayBeOrphan: boolean;
    },
    nowMs: number,
  ): void {
    const held = this.holds.get(used.requestId);
    if (held && used.attempt < held.attempt) {
      // What it cost is spent now, and not held any more; the request goes on elsewhere.
      return this.rehold({ ...held, nanoUsd: Math.max(0, held.nanoUsd - used.nanoUsd) }, nowMs);
    }
    const hold = this.holds.settle(used.requestId);
    const scopes = this.scopesOf(hold?.caller ?? used.caller);
    for (const scope of scopes) {
      if (hold) {
        scope.unhold(hold.nanoUsd);
        if (hold.units) scope.correct(hold.units, used.units, nowMs);
      } else if (used.mayBeOrphan) scope.orphanEnded(used.nanoUsd);
    }
    if (hold) this.#noteEnd(nowMs);
    this.cover(scopes, nowMs);
  }

  /** Ends the hold of a request that never ran; its tokens go back. */
  release(requestId: string, nowMs: number): void {
    const hold = this.holds.void(requestId);
    if (!hold) return;
    const nothing = { requests: 1, tokens: 0, inputTokens: 0, outputTokens: 0 };
    for (const scope of this.scopesOf(hold.caller)) {
      scope.unhold(hold.nanoUsd);
      if (hold.units) scope.correct(hold.units, nothing, nowMs);
    }
    this.#noteEnd(nowMs);
  }

  /** Ends the hold of a request that ran again under an attempt that was settled before: it costs nothing more. */
  settleRepeated(
    { requestId, attempt }: { readonly requestId: string; readonly attempt: number },
    nowMs: number,
  ): void {
    const held = this.holds.get(requestId);
    if (held && held.attempt <= attempt) this.release(requestId, nowMs);
  }

  /** Ends holds whose lease is over; their tokens stay taken, since they may have been used. */
  expire(nowMs: number): readonly AccountHold[] {
    const expired = this.holds.expire(nowMs);
    for (const { caller, nanoUsd } of expired) {
      for (const scope of this.scopesOf(caller)) scope.unhold(nanoUsd);
    }
    return expired;
  }

  /** When covers are to be taken back because nothing has run for a while; undefined while they need not be. */
  get relaxDueMs(): number | undefined {
    return this.#idleSinceMs === undefined ? undefined : this.#idleSinceMs + COVER_RELAX_MS;
  }

  /** Takes covers back when that is due, so that an account that is put away idle comes back free. */
  relax(nowMs: number): void {
    if (this.relaxDueMs === undefined || nowMs < this.relaxDueMs) return;
    this.#idleSinceMs = undefined;
    for (const scope of this.#scopes.values()) this.#write(scope, scope.loose(nowMs));
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
    for (const scope of scopes) this.#write(scope, scope.uncovered(nowMs));
  }

  #write(scope: LimitScope, cover: ScopeCover | undefined): void {
    if (!cover) return;
    this.#covers.write(scope.scopeId, cover);
    scope.covered(cover);
  }

  /** A hold has ended. */
  #noteEnd(nowMs: number): void {
    if (this.holds.count === 0) this.#idleSinceMs = nowMs;
  }

  /** A scope that has limits from now on, with what runs of it already. */
  #newScope(scopeId: string, nowMs: number): LimitScope {
    const cover = this.#covers.read(scopeId);
    const scope = new LimitScope(scopeId, cover, this.#funds.roomNanoUsd(scopeId, nowMs));
    for (const { caller, nanoUsd, leaseUntilMs } of this.holds.values()) {
      if (caller.projectId === scopeId || caller.keyId === scopeId) {
        scope.hold(nanoUsd, leaseUntilMs);
      }
    }
    return scope;
  }
}
