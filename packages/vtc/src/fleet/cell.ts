// Owns the cell of service: what one node gave one tenant since an epoch of its began. Every count only grows, so two
// copies of a cell join by taking the larger of each count. Invariant: counts are safe integers and never negative.

/** Cumulative over a node's epoch. */
export interface ServiceCell {
  /** Prompt tokens that were computed. */
  readonly inputTokens: number;
  /** Prompt tokens that came from a cache. */
  readonly cachedTokens: number;
  readonly outputTokens: number;
  /** What those cost in service units, each charge divided by the tenant's weight when it was made. */
  readonly serviceUnits: number;
  /** Time from receipt to first scheduling, summed over requests. */
  readonly queueMs: number;
  /** Requests that have been scheduled: those whose wait is in `queueMs`. */
  readonly requests: number;
}

export const NO_SERVICE: ServiceCell = {
  inputTokens: 0,
  cachedTokens: 0,
  outputTokens: 0,
  serviceUnits: 0,
  queueMs: 0,
  requests: 0,
};

/** The join of two copies of one cell: idempotent, commutative, associative. */
export function joinCells(left: ServiceCell, right: ServiceCell): ServiceCell {
  return combine(left, right, Math.max);
}

/** What two different cells say together. */
export function sumCells(left: ServiceCell, right: ServiceCell): ServiceCell {
  return combine(left, right, (one, other) => one + other);
}

/** What a cell gained since an earlier copy of it; null when that is nothing. */
export function cellGrowth(earlier: ServiceCell, later: ServiceCell): ServiceCell | null {
  const growth = combine(later, earlier, (now, before) => now - before);
  return Object.values(growth).some((count: number) => count !== 0) ? growth : null;
}

function combine(
  left: ServiceCell,
  right: ServiceCell,
  of: (left: number, right: number) => number,
): ServiceCell {
  return {
    inputTokens: of(left.inputTokens, right.inputTokens),
    cachedTokens: of(left.cachedTokens, right.cachedTokens),
    outputTokens: of(left.outputTokens, right.outputTokens),
    serviceUnits: of(left.serviceUnits, right.serviceUnits),
    queueMs: of(left.queueMs, right.queueMs),
    requests: of(left.requests, right.requests),
  };
}
