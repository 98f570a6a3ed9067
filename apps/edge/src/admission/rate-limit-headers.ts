// Owns the x-ratelimit-* headers: OpenAI's names, and resets as Go prints durations ("12ms", "1s", "6m0s"),
// meaning the time until the limit is full again.
import type { RateState } from "@fairlane/protocol";

const MS_PER_SECOND = 1_000;
const MS_PER_MINUTE = 60 * MS_PER_SECOND;
const MS_PER_HOUR = 60 * MS_PER_MINUTE;

/** A duration as Go's time.Duration prints it, in whole milliseconds. */
export function goDuration(durationMs: number): string {
  const totalMs = Math.max(0, Math.ceil(durationMs));
  if (totalMs === 0) return "0s";
  if (totalMs < MS_PER_SECOND) return `${totalMs}ms`;
  const hours = Math.floor(totalMs / MS_PER_HOUR);
  const minutes = Math.floor((totalMs % MS_PER_HOUR) / MS_PER_MINUTE);
  const seconds = `${(totalMs % MS_PER_MINUTE) / MS_PER_SECOND}s`;
  if (hours > 0) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}

/** The six headers of a limit state. */
export function rateLimitHeaders(rates: RateState): readonly (readonly [string, string])[] {
  return [
    ["x-ratelimit-limit-requests", String(rates.limitRequests)],
    ["x-ratelimit-remaining-requests", String(rates.remainingRequests)],
    ["x-ratelimit-reset-requests", goDuration(rates.resetRequestsMs)],
    ["x-ratelimit-limit-tokens", String(rates.limitTokens)],
    ["x-ratelimit-remaining-tokens", String(rates.remainingTokens)],
    ["x-ratelimit-reset-tokens", goDuration(rates.resetTokensMs)],
  ];
}
