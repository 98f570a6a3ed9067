// Owns which steps are measured to fit the cost model: a few at every start, within a bound of time, and a grid with
// repetitions for a profile that is kept. How a step is measured is step-probe.ts's, the fit step-cost-model.ts's.
import type { Clock } from "@fairlane/base";
import type { Engine } from "../engine/engine.ts";
import { CALIBRATION_MS_MAX } from "../limits.ts";
import {
  FIT_SAMPLES_MIN,
  fitStepCost,
  type StepCostFit,
  type StepSample,
} from "./step-cost-model.ts";
import { StepProbe, type ProbePoint } from "./step-probe.ts";

/** A fit with what it was made of. */
export interface StepProfile extends StepCostFit {
  readonly samples: readonly StepSample[];
}

const WARM_UP = chunk(16, 0);

/** What tells most for its time comes first. */
const CALIBRATION_POINTS: readonly ProbePoint[] = [
  decodes(1, 16),
  decodes(8, 16),
  chunk(16, 0),
  chunk(48, 0),
  decodes(8, 256),
  chunk(32, 512),
  chunk(96, 0),
  decodes(2, 1_024),
  chunk(48, 1_024),
];

const GRID_POINTS: readonly ProbePoint[] = [
  ...[1, 2, 4, 8, 16, 32, 64].flatMap((count) => [16, 256, 1_024].map((at) => decodes(count, at))),
  ...[1, 8].map((count) => decodes(count, 4_096)),
  ...[16, 64].map((tokens) => chunk(tokens, 6_144)),
  ...[16, 32, 64, 128, 256, 512].flatMap((tokens) =>
    [0, 512, 2_048].map((at) => chunk(tokens, at)),
  ),
  ...[4, 16].flatMap((count) => [
    { ...decodes(count, 256), chunkTokens: 64, chunkPosition: 256 },
    { ...decodes(count, 1_024), chunkTokens: 128, chunkPosition: 0 },
  ]),
];
const GRID_TURNS = 5;

/**
 * Measures a few steps and fits them, the lesser time of two of each as far as there is time; null when the engine is too
 * small to tell.
 */
export async function calibrateStepCost(engine: Engine, clock: Clock): Promise<StepCostFit | null> {
  const probe = new StepProbe(engine);
  const points = CALIBRATION_POINTS.filter((point) => probe.fits(point));
  if (points.length < FIT_SAMPLES_MIN) return null;
  const endMs = clock.nowMs() + CALIBRATION_MS_MAX;
  await probe.measure(WARM_UP);
  const least = new Map<ProbePoint, StepSample>();
  for (const point of [...points, ...points]) {
    if (least.size >= FIT_SAMPLES_MIN && clock.nowMs() >= endMs) break;
    const sample = await probe.measure(point);
    const before = least.get(point);
    if (before === undefined || sample.us < before.us) least.set(point, sample);
  }
  return fitStepCost([...least.values()]);
}

/**
 * Measures the whole grid, several times over, and takes a low time of each point. A machine is faster or slower for
 * seconds on end, so a point's times lie a turn apart; its least one may be of a moment at a higher clock rate than the
 * other points saw, its middle one of a busy moment.
 */
export async function profileSteps(engine: Engine): Promise<StepProfile> {
  const probe = new StepProbe(engine);
  const points = GRID_POINTS.filter((point) => probe.fits(point));
  const turns: StepSample[][] = [];
  await probe.measure(WARM_UP);
  for (let turn = 0; turn < GRID_TURNS; turn++) {
    const samples: StepSample[] = [];
    for (const point of points) samples.push(await probe.measure(point));
    turns.push(samples);
  }
  const samples = points.flatMap((_, index) => lowOf(turns.flatMap((turn) => turn[index] ?? [])));
  return { ...fitStepCost(samples), samples };
}

/** The second least of repeated samples. */
function lowOf(repeated: readonly StepSample[]): StepSample[] {
  return repeated.toSorted((one, other) => one.us - other.us).slice(1, 2);
}

function decodes(count: number, position: number): ProbePoint {
  return { decodes: count, decodePosition: position, chunkTokens: 0, chunkPosition: 0 };
}

function chunk(tokens: number, position: number): ProbePoint {
  return { decodes: 0, decodePosition: 0, chunkTokens: tokens, chunkPosition: position };
}
