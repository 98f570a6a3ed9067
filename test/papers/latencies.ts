// Owns what a run's times say: first-token and between-token latencies and scheduling delays, as quantiles, and the
// capacity search over the rate of arrivals.
import { assert } from "@fairlane/base";
import { LatencyHistogram } from "@fairlane/slo";
import type { RequestTimes } from "./simulated-run.ts";

export interface Latencies {
  readonly ttftSecondsP50: number;
  readonly tbtSecondsP99: number;
  readonly delaySecondsP50: number;
}

export function latenciesOf(times: readonly RequestTimes[]): Latencies {
  const [ttft, tbt, delay] = [
    new LatencyHistogram(),
    new LatencyHistogram(),
    new LatencyHistogram(),
  ];
  for (const { arrivedUs, scheduledUs, tokenUs } of times) {
    delay.record(Math.max(0, Math.round(scheduledUs - arrivedUs)));
    tokenUs.forEach((us, index) => {
      const gapUs = Math.round(us - (tokenUs[index - 1] ?? arrivedUs));
      (index === 0 ? ttft : tbt).record(gapUs);
    });
  }
  const seconds = (histogram: LatencyHistogram, quantile: number): number => {
    const us = histogram.quantileUs(quantile);
    assert(us !== null, "nothing was served");
    return us / 1e6;
  };
  return {
    ttftSecondsP50: seconds(ttft, 0.5),
    tbtSecondsP99: seconds(tbt, 0.99),
    delaySecondsP50: seconds(delay, 0.5),
  };
}

const RATE_MIN = 0.1;
const RATE_MAX = 3.2;
/** Halvings of the span, on a logarithmic scale: the rate is known to 3 %. */
const HALVINGS = 7;

/**
 * The largest rate of Poisson arrivals a second at which the P99 time between tokens meets the target and the median
 * scheduling delay is at most 2 s. [Sarathi-Serve] Sec. 5.1.
 */
export async function capacityOf(
  tbtSecondsMax: number,
  serve: (ratePerSecond: number) => Promise<readonly RequestTimes[]> | readonly RequestTimes[],
): Promise<number> {
  let [served, failed] = [RATE_MIN, RATE_MAX];
  for (let halving = 0; halving < HALVINGS; halving++) {
    const rate = Math.sqrt(served * failed);
    const { tbtSecondsP99, delaySecondsP50 } = latenciesOf(await serve(rate));
    const isServed = tbtSecondsP99 <= tbtSecondsMax && delaySecondsP50 <= 2;
    if (isServed) served = rate;
    else failed = rate;
  }
  return served;
}
