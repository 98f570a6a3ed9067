// Owns the scenario "fairness" on the real CPU engine: the overload and the return from idling, shortened to seconds, at
// rates that follow from what the machine can do. Figures are this machine's.
import { replay, type FairRun } from "../fairness/fair-run.ts";
import { NATIVE_POOL_TOKENS, openNativeStage } from "../fairness/native-stage.ts";
import { orderOf } from "../fairness/orders.ts";
import { serviceWithin } from "../fairness/fair-metrics.ts";
import type { FairArrival, Suite } from "../fairness/suites.ts";
import type { ScenarioResult } from "../report.ts";

const LENGTH_TOKENS = 32;
/**
 * Offered load over the capacity that was measured: more than the paper's 1.6, so that even the lighter client sends more
 * than its half when the machine turns out to be faster.
 */
const OVERLOAD = 4;
const WARM_UP_REQUESTS = 40;

interface Window {
  readonly fromSeconds: number;
  readonly untilSeconds: number;
}

export async function fairnessNative(options: {
  readonly isQuick: boolean;
}): Promise<ScenarioResult> {
  const seconds = options.isQuick ? 8 : 30;
  const native = await openNativeStage();
  try {
    const burst = suiteOf([{ tenantId: "c0", ratePerSecond: 1e6 }], WARM_UP_REQUESTS / 1e6);
    const startedMs = performance.now();
    await replay(burst, orderOf("fcfs"), { stage: native.begin() });
    const capacity = WARM_UP_REQUESTS / ((performance.now() - startedMs) / 1_000);
    const light = (capacity * OVERLOAD) / 3;
    const overload = suiteOf(
      [
        { tenantId: "c0", ratePerSecond: light },
        { tenantId: "c1", ratePerSecond: 2 * light },
      ],
      seconds,
    );
    const back = suiteOf(
      [
        { tenantId: "c0", ratePerSecond: 2 * light, fromSeconds: seconds / 2 },
        { tenantId: "c1", ratePerSecond: 2 * light },
      ],
      seconds,
    );
    const run = (suite: Suite, order: string) =>
      replay(suite, orderOf(order), { stage: native.begin(), cutSeconds: seconds });
    const [fcfs, vtc] = [await run(overload, "fcfs"), await run(overload, "vtc")];
    const returned = await run(back, "vtc");
    const middle = { fromSeconds: seconds / 4, untilSeconds: seconds };
    const late = { fromSeconds: (seconds * 5) / 8, untilSeconds: seconds };
    return {
      scenario: "fairness",
      facts: {
        machine: `CPU engine, default model, strict admission, pool of ${NATIVE_POOL_TOKENS} tokens`,
        load: `${LENGTH_TOKENS} in, ${LENGTH_TOKENS} out, ${capacity.toFixed(1)} requests/s served, ${OVERLOAD} times as many sent, 1:2`,
      },
      metrics: {
        light_share_fcfs_pct: shareOf(fcfs, middle),
        light_share_vtc_pct: shareOf(vtc, middle),
        throughput_vtc_over_fcfs: totalOf(vtc, middle) / totalOf(fcfs, middle),
        return_share_pct: shareOf(returned, late),
        spread_over_bound: Math.max(vtc.spreadOverBound, returned.spreadOverBound),
      },
      peer: {},
    };
  } finally {
    await native.close();
  }
}

interface Sender {
  readonly tenantId: string;
  readonly ratePerSecond: number;
  readonly fromSeconds?: number;
}

function suiteOf(senders: readonly Sender[], durationSeconds: number): Suite {
  const arrivals = senders.flatMap(({ tenantId, ratePerSecond, fromSeconds = 0 }) =>
    Array.from(
      { length: Math.round((durationSeconds - fromSeconds) * ratePerSecond) },
      (_, index): FairArrival => ({
        tenantId,
        atMs: (fromSeconds + index / ratePerSecond) * 1_000,
        promptTokens: LENGTH_TOKENS,
        outputTokens: LENGTH_TOKENS,
      }),
    ),
  );
  return {
    name: "native",
    durationSeconds,
    arrivals: arrivals.toSorted((a, b) => a.atMs - b.atMs),
  };
}

function totalOf({ served }: FairRun, { fromSeconds, untilSeconds }: Window): number {
  const service = serviceWithin(served, fromSeconds, untilSeconds);
  return [...service.values()].reduce((sum, units) => sum + units, 0);
}

function shareOf(run: FairRun, { fromSeconds, untilSeconds }: Window): number {
  const service = serviceWithin(run.served, fromSeconds, untilSeconds);
  return (100 * (service.get("c0") ?? 0)) / totalOf(run, { fromSeconds, untilSeconds });
}
