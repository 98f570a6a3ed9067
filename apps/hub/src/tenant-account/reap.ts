// Owns the end of holds whose lease is over without a settlement: the parallel place comes back, the tokens stay
// taken from the bucket, since they may have been used. Runs with each admission, the only one who minds.
import { logEvent } from "../log.ts";
import type { AccountLimits } from "./account-limits.ts";

/** Ends expired holds. A usage record that comes later is settled like any other. */
export function reapHolds(limits: AccountLimits, tenantId: string, nowMs: number): void {
  for (const { requestId, tokensEstimate } of limits.expire(nowMs)) {
    logEvent("warn", "hold_expired", { tenantId, requestId, tokensEstimate });
  }
}
