// Owns the workloads of "Fairness in Serving Large Language Models": who sends what when, as its published code makes
// them, with seeds of our own. It serves nothing. Invariant: a suite is the same arrivals everywhere.
import { seededRandom } from "../workload.ts";

export interface FairArrival {
  readonly tenantId: string;
  readonly keyId?: string;
  readonly weight?: number;
  readonly atMs: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
}

export interface Suite {
  readonly name: string;
  readonly durationSeconds: number;
  readonly arrivals: readonly FairArrival[];
}

/** What one client sends: evenly spaced from a random phase on, silent where `isOn` is false. */
interface Stream {
  readonly tenantId: string;
  readonly keyId?: string;
  readonly weight?: number;
  readonly ratePerSecond: number;
  readonly promptTokens?: number;
  readonly outputTokens?: number;
  readonly fromSeconds?: number;
  readonly untilSeconds?: number;
  readonly isOn?: (atSeconds: number) => boolean;
}

const SEED = 42;
const LENGTH_TOKENS = 256;
/** Clients that go on and off send in even slots of this length. */
const SLOT_SECONDS = 60;

const isEvenSlot = (atSeconds: number): boolean => Math.floor(atSeconds / SLOT_SECONDS) % 2 === 0;

function steady(name: string, durationSeconds: number, streams: readonly Stream[]): Suite {
  const random = seededRandom(SEED);
  const arrivals = streams.flatMap((stream) => evenly(stream, durationSeconds, random()));
  return { name, durationSeconds, arrivals: inOrder(arrivals) };
}

function evenly(stream: Stream, durationSeconds: number, phase: number): FairArrival[] {
  const { ratePerSecond, fromSeconds = 0, untilSeconds = durationSeconds } = stream;
  const { isOn = () => true } = stream;
  const arrivals: FairArrival[] = [];
  for (let count = 0; ; count++) {
    const atSeconds = fromSeconds + (count + phase) / ratePerSecond;
    if (atSeconds >= untilSeconds) return arrivals;
    if (isOn(atSeconds)) arrivals.push(arrivalOf(stream, atSeconds));
  }
}

function arrivalOf(stream: Stream, atSeconds: number): FairArrival {
  const { tenantId, promptTokens = LENGTH_TOKENS, outputTokens = LENGTH_TOKENS } = stream;
  const { keyId, weight } = stream;
  return {
    tenantId,
    ...(keyId === undefined ? {} : { keyId }),
    ...(weight === undefined ? {} : { weight }),
    atMs: atSeconds * 1_000,
    promptTokens,
    outputTokens,
  };
}

function inOrder(arrivals: readonly FairArrival[]): FairArrival[] {
  return arrivals.toSorted((a, b) => a.atMs - b.atMs);
}

function clients(rates: readonly number[], rest: Partial<Stream> = {}): Stream[] {
  return rates.map((ratePerSecond, index) => ({ tenantId: `c${index}`, ratePerSecond, ...rest }));
}

/** One Poisson process; each arrival is of a client by its share of the rate. */
function poisson(name: string, durationSeconds: number, streams: readonly Stream[]): Suite {
  const random = seededRandom(SEED);
  const totalRate = streams.reduce((sum, { ratePerSecond }) => sum + ratePerSecond, 0);
  const arrivals: FairArrival[] = [];
  for (let at = 0; ;) {
    at += -Math.log(1 - random()) / totalRate;
    if (at >= durationSeconds) return { name, durationSeconds, arrivals };
    let left = random() * totalRate;
    const stream = streams.find(({ ratePerSecond }) => (left -= ratePerSecond) < 0) ?? streams[0];
    if (stream !== undefined) arrivals.push(arrivalOf(stream, at));
  }
}

/** From one rate to another, linearly: the gaps follow the rate. */
function ramp(stream: Stream, toRate: number, durationSeconds: number): FairArrival[] {
  const { ratePerSecond } = stream;
  const slope = (toRate - ratePerSecond) / durationSeconds;
  const count = Math.floor(((ratePerSecond + toRate) / 2) * durationSeconds);
  // The n-th request comes when the integral of the rate is n.
  return Array.from({ length: count }, (_, index) => {
    const root = Math.sqrt(ratePerSecond ** 2 + 2 * slope * (index + 0.5));
    return arrivalOf(stream, (root - ratePerSecond) / slope);
  });
}

function increase(): Suite {
  const durationSeconds = 600;
  const [c0, c1] = clients([0.5, 0.2]);
  if (c0 === undefined || c1 === undefined) throw new Error("two clients");
  const arrivals = [...evenly(c0, durationSeconds, 0), ...ramp(c1, 2, durationSeconds)];
  return { name: "increase", durationSeconds, arrivals: inOrder(arrivals) };
}

function shift(): Suite {
  const phase = (index: number, rates: readonly [number, number], isOn?: Stream["isOn"]) => {
    const span = { fromSeconds: 300 * index, untilSeconds: 300 * (index + 1) };
    const [first, second] = clients(rates, span);
    if (first === undefined || second === undefined) throw new Error("two clients");
    return [isOn === undefined ? first : { ...first, isOn }, second];
  };
  const streams = [...phase(0, [0.5, 2], isEvenSlot), ...phase(1, [1, 1]), ...phase(2, [0.5, 1.5])];
  return steady("dist_shift", 900, streams);
}

function onOff(name: string, onRate: number, otherRate: number): Suite {
  return steady(name, 600, [
    { tenantId: "c0", ratePerSecond: onRate, isOn: isEvenSlot },
    { tenantId: "c1", ratePerSecond: otherRate },
  ]);
}

/** The suites of the paper's figures 3 to 10, by name. */
export const SUITES: readonly (() => Suite)[] = [
  () => steady("overload", 360, clients([1.5, 3])),
  () => steady("overload-multi", 360, clients([0.4, 0.4, 0.4, 0.6, 0.6, 0.6, 0.6, 0.6])),
  // Rates against the weights, so that serving by rate cannot pass for serving by weight.
  () =>
    steady(
      "overload-weighted",
      360,
      clients([1.6, 1.2, 1.2, 1.6]).map((stream, index) => ({ ...stream, weight: index + 1 })),
    ),
  () => steady("proportional", 600, clients([0.25, 0.5, 1.5])),
  () => onOff("on_off_less", 0.5, 2),
  () => onOff("on_off_overload", 2, 3),
  () =>
    poisson("poisson_short_long", 600, [
      { tenantId: "c0", ratePerSecond: 8, promptTokens: 64, outputTokens: 64 },
      { tenantId: "c1", ratePerSecond: 1.5 },
    ]),
  () =>
    poisson("poisson_short_long_2", 600, [
      { tenantId: "c0", ratePerSecond: 8, promptTokens: 512, outputTokens: 32 },
      { tenantId: "c1", ratePerSecond: 1.5, promptTokens: 32, outputTokens: 512 },
    ]),
  increase,
  shift,
];

/** One tenant is idle for 200 s and then floods as the other has done all the time. */
export function idleReturn(): Suite {
  return steady("idle-return", 300, [
    { tenantId: "c0", ratePerSecond: 3, fromSeconds: 200 },
    { tenantId: "c1", ratePerSecond: 3 },
  ]);
}

/** A tenant with eight keys against one with one; both send more than half of what the machine can serve. */
export function sybil(): Suite {
  const keys = Array.from({ length: 8 }, (_, index) => `k${index}`);
  return steady("sybil", 360, [
    ...keys.map((keyId) => ({ tenantId: "many", keyId, ratePerSecond: 0.5 })),
    { tenantId: "one", keyId: "k", ratePerSecond: 1.5 },
  ]);
}
