// Owns the paper's measures of fairness: service, its difference between clients, and throughput, exactly as its
// published code computes them. Invariant: a request's service, in + 2 * out tokens, is spread evenly from its first
// token to its last; a refused request has none.
import type { FairArrival } from "./suites.ts";

/** What became of one request; times in microseconds, null for one that was refused. */
export interface ServedRequest {
  readonly arrival: FairArrival;
  readonly firstUs: number | null;
  readonly lastUs: number;
}

export interface FairMetrics {
  readonly maxDiff: number;
  readonly avgDiff: number;
  readonly varDiff: number;
  /** Prompt and output tokens a second, from the start until the last token. */
  readonly tokensPerSecond: number;
  /** Largest difference of accumulated service between clients while requests come, in tokens. */
  readonly maxAccDiff: number;
  readonly servedCount: number;
}

const WINDOW_SECONDS = 60;
const TICKS = 19;
/** Windows of a tick begin at multiples of this: (600 - 30) / 20. */
const TICK_SECONDS = 28.5;

function serviceOf({ promptTokens, outputTokens }: FairArrival): number {
  return promptTokens + 2 * outputTokens;
}

/** The part of a request's service that falls before `atUs`. */
function serviceBefore({ arrival, firstUs, lastUs }: ServedRequest, atUs: number): number {
  if (firstUs === null || atUs <= firstUs) return 0;
  const part = lastUs === firstUs ? 1 : Math.min(1, (atUs - firstUs) / (lastUs - firstUs));
  return part * serviceOf(arrival);
}

/** Service of each client until `atSeconds`. */
export function accumulated(
  served: readonly ServedRequest[],
  atSeconds: number,
): Map<string, number> {
  const sums = new Map<string, number>();
  for (const request of served) {
    const { tenantId } = request.arrival;
    const before = serviceBefore(request, atSeconds * 1e6);
    sums.set(tenantId, (sums.get(tenantId) ?? 0) + before);
  }
  return sums;
}

/** Service of each client within a window. */
export function serviceWithin(
  served: readonly ServedRequest[],
  fromSeconds: number,
  untilSeconds: number,
): Map<string, number> {
  const before = accumulated(served, fromSeconds);
  const sums = accumulated(served, untilSeconds);
  return new Map([...sums].map(([id, sum]) => [id, sum - (before.get(id) ?? 0)]));
}

/**
 * The service difference in the window that begins at `fromSeconds`: over the clients, how much less than the best served
 * one each got, but no more than what it asked for in that window and did not get.
 */
export function serviceDiff(served: readonly ServedRequest[], fromSeconds: number): number {
  const untilSeconds = fromSeconds + WINDOW_SECONDS;
  const service = serviceWithin(served, fromSeconds, untilSeconds);
  const asked = new Map<string, number>();
  for (const { arrival } of served) {
    const { tenantId, atMs } = arrival;
    if (atMs < fromSeconds * 1_000 || atMs > untilSeconds * 1_000) continue;
    asked.set(tenantId, (asked.get(tenantId) ?? 0) + serviceOf(arrival));
  }
  const most = Math.max(...service.values());
  let diff = 0;
  for (const [tenantId, units] of service) {
    diff += Math.min(most - units, Math.abs((asked.get(tenantId) ?? 0) - units));
  }
  return diff / WINDOW_SECONDS;
}

/** The row of the paper's tables. */
export function fairMetrics(
  served: readonly ServedRequest[],
  durationSeconds: number,
): FairMetrics {
  const diffs = Array.from({ length: TICKS }, (_, tick) =>
    serviceDiff(served, TICK_SECONDS * (tick + 1)),
  );
  const avgDiff = mean(diffs);
  const done = served.filter(({ firstUs }) => firstUs !== null);
  const tokens = done.reduce(
    (sum, { arrival }) => sum + arrival.promptTokens + arrival.outputTokens,
    0,
  );
  const endUs = Math.max(...done.map(({ lastUs }) => lastUs));
  return {
    maxDiff: Math.max(...diffs),
    avgDiff,
    varDiff: mean(diffs.map((diff) => (diff - avgDiff) ** 2)),
    tokensPerSecond: tokens / (endUs / 1e6),
    maxAccDiff: maxAccDiff(served, durationSeconds),
    servedCount: done.length,
  };
}

function maxAccDiff(served: readonly ServedRequest[], durationSeconds: number): number {
  let most = 0;
  for (let at = 0; at <= durationSeconds; at += 10) {
    const sums = [...accumulated(served, at).values()];
    most = Math.max(most, Math.max(...sums) - Math.min(...sums));
  }
  return most;
}

/** Mean seconds from arrival to first token of a client's requests, and the 99th percentile. */
export function firstTokenSeconds(served: readonly ServedRequest[], tenantId: string) {
  const seconds = served
    .filter(({ arrival, firstUs }) => arrival.tenantId === tenantId && firstUs !== null)
    .map(({ arrival, firstUs }) => (firstUs ?? 0) / 1e6 - arrival.atMs / 1e3)
    .sort((a, b) => a - b);
  return { mean: mean(seconds), p99: seconds[Math.floor(seconds.length * 0.99)] ?? Number.NaN };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
