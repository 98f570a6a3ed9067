// Owns predictions of output lengths, which let an order charge outputs in advance. A wrong one is trued up, so no
// bound depends on them. Invariant: predictions are whole tokens, and those of a client depend on its own requests.
import { assert } from "@fairlane/base";
import { PREDICTED_CLIENTS_MAX } from "./limits.ts";

/** [VTC] The variants with length prediction. */
export interface OutputPredictor {
  /** Output tokens that the client's next request is expected to have. */
  predict(tenantId: string, outputTokensMax: number): number;
  /** A request of the client made so many. */
  observe(tenantId: string, outputTokens: number): void;
}

/** How far an oracle is off. */
export interface OracleError {
  /** Predictions lie within +- this percentage of the true length. */
  readonly errorPct: number;
  /** A number in [0, 1). */
  readonly uniform: () => number;
}

/**
 * Knows lengths: for replays in which every request makes all the output that it may, so that the maximum is the
 * length. With an error, lengths are drawn from its range.
 */
export function oraclePredictor(error: OracleError | null = null): OutputPredictor {
  return {
    predict(_tenantId, outputTokensMax) {
      if (error === null) return outputTokensMax;
      const { errorPct, uniform } = error;
      assert(errorPct >= 0 && errorPct <= 100, `an error of ${errorPct} %`);
      const part = 1 + (errorPct / 100) * (2 * uniform() - 1);
      return Math.max(0, Math.round(outputTokensMax * part));
    },
    observe() {},
  };
}

/** Thousandths of a token in which means are kept. */
const PER_TOKEN = 1_000;

/** A moving mean per client over about five requests: nothing at first, then the first length, then (4 p + last) / 5. */
export function movingMeanPredictor(): OutputPredictor {
  const means = new Map<string, number>();
  return {
    predict: (tenantId) => Math.round((means.get(tenantId) ?? 0) / PER_TOKEN),
    observe(tenantId, outputTokens) {
      const last = outputTokens * PER_TOKEN;
      const mean = means.get(tenantId);
      means.delete(tenantId);
      means.set(tenantId, mean === undefined ? last : Math.floor((4 * mean + last) / 5));
      if (means.size <= PREDICTED_CLIENTS_MAX) return;
      for (const oldest of means.keys()) {
        means.delete(oldest);
        return;
      }
    },
  };
}
