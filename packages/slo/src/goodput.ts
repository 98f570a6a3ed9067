// Owns goodput: how much of the work met its latency targets. What a request measured is the caller's. Invariant: a
// request that failed or gave no token met nothing, whatever its times say.
import { assert } from "@fairlane/base";

/** One request as its client saw it. */
export interface ServedRequest {
  /** False when it ended with an error. */
  readonly isComplete: boolean;
  /** Receipt to first token; null without tokens. */
  readonly ttftUs: number | null;
  /** Fluidity index at the deadlines of the targets; null without tokens. */
  readonly fluidity: number | null;
  readonly outputTokens: number;
}

/** What a request must reach to count. */
export interface GoodputTargets {
  readonly ttftMaxUs: number;
  /** Share of token deadlines met. */
  readonly fluidityMin: number;
}

export interface Goodput {
  readonly requests: number;
  readonly attained: number;
  /** Null when there were no requests. */
  readonly attainedShare: number | null;
  readonly attainedPerSecond: number;
  readonly outputTokensPerSecond: number;
}

/** Counts the requests of a run of `durationUs` that met both targets, and their output tokens. */
export function goodputOf(
  requests: readonly ServedRequest[],
  targets: GoodputTargets,
  durationUs: number,
): Goodput {
  assert(durationUs > 0, `a run takes time, got ${durationUs} us`);
  const attained = requests.filter((request) => isAttained(request, targets));
  const outputTokens = attained.reduce((sum, request) => sum + request.outputTokens, 0);
  return {
    requests: requests.length,
    attained: attained.length,
    attainedShare: requests.length === 0 ? null : attained.length / requests.length,
    attainedPerSecond: (attained.length * 1e6) / durationUs,
    outputTokensPerSecond: (outputTokens * 1e6) / durationUs,
  };
}

function isAttained(request: ServedRequest, targets: GoodputTargets): boolean {
  const { isComplete, ttftUs, fluidity } = request;
  if (!isComplete || ttftUs === null || fluidity === null) return false;
  return ttftUs <= targets.ttftMaxUs && fluidity >= targets.fluidityMin;
}
