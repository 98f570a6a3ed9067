// Owns the cost model of a step: its time as a function of tokens and context, and its fit to measured steps. The
// scheduler chooses budgets with it, the simulated engine takes its time from it. Pure: no clock, no engine.
// Invariant: every coefficient of a fitted model is >= 0 but the base's, so more work never predicts less time.
import { assert } from "@fairlane/base";

/** What of a batch sets its time. */
export interface StepShape {
  /** Tokens of all rows. */
  readonly tokens: number;
  readonly decodes: number;
  /** Positions that all decodes read together. */
  readonly decodeContextTokens: number;
  /** Sum over the chunks of c * (s + c / 2): pairs of a token and a position that it reads; s is the chunk's start. */
  readonly chunkPairs: number;
}

/**
 * max(floorUs, baseUs + tokenUs * tokens) + (tokens > kneeTokens ? kneeUs : 0) + decodeUs * decodes
 * + contextUs * decodeContextTokens + pairUs * chunkPairs
 */
export interface StepCostModel {
  readonly floorUs: number;
  readonly baseUs: number;
  readonly tokenUs: number;
  readonly kneeTokens: number;
  readonly kneeUs: number;
  readonly decodeUs: number;
  readonly contextUs: number;
  readonly pairUs: number;
}

/** One measured step. */
export interface StepSample extends StepShape {
  readonly us: number;
}

export interface StepCostFit {
  readonly model: StepCostModel;
  /** Mean of |predicted - measured| / measured, in percent. */
  readonly errorPct: number;
}

/** Pairs of a chunk of `tokens` that begins at `firstPosition`. */
export function pairsOfChunk(tokens: number, firstPosition: number): number {
  return tokens * (firstPosition + tokens / 2);
}

/** The time that a step of this shape takes, in microseconds. */
export function predictStepUs(model: StepCostModel, shape: StepShape): number {
  const linear = Math.max(model.floorUs, model.baseUs + model.tokenUs * shape.tokens);
  const knee = shape.tokens > model.kneeTokens ? model.kneeUs : 0;
  const attention = model.contextUs * shape.decodeContextTokens + model.pairUs * shape.chunkPairs;
  return linear + knee + model.decodeUs * shape.decodes + attention;
}

/** Fewer samples than this many do not fix five coefficients. */
export const FIT_SAMPLES_MIN = 6;

/**
 * Fits a model to measured steps by least squares of the relative error, in which a sample that is far off counts less:
 * a moment of a busy machine. The floor's end is searched among the measured token counts; there is no knee in a fitted
 * model.
 */
export function fitStepCost(samples: readonly StepSample[]): StepCostFit {
  assert(samples.length >= FIT_SAMPLES_MIN, `${samples.length} samples, needs ${FIT_SAMPLES_MIN}`);
  assert(
    samples.every(({ us }) => us > 0),
    "a step took no time",
  );
  const flatTokens = new Set([0, ...samples.map(({ tokens }) => tokens)]);
  let best: StepCostFit | null = null;
  for (const flat of flatTokens) {
    const model = fitRobustly(samples, flat);
    const errorPct = errorPctOf(model, samples);
    if (best === null || errorPct < best.errorPct) best = { model, errorPct };
  }
  assert(best !== null, "no fit was tried");
  return best;
}

/** Rounds after which the weights hardly move any more. */
const WEIGHT_ROUNDS = 4;
/** Relative error from which on a sample counts less, as its inverse (Huber's weights). */
const USUAL_ERROR = 0.05;

function fitRobustly(samples: readonly StepSample[], flat: number): StepCostModel {
  let model = fitWithFloor(samples, flat);
  for (let round = 0; round < WEIGHT_ROUNDS; round++) {
    const of = model;
    const weights = samples.map((sample) => {
      const error = Math.abs(predictStepUs(of, sample) / sample.us - 1);
      return Math.min(1, USUAL_ERROR / error);
    });
    model = fitWithFloor(samples, flat, weights);
  }
  return model;
}

/** Least squares where the first `flat` tokens cost the floor; all samples weigh 1 unless `weights` says otherwise. */
function fitWithFloor(
  samples: readonly StepSample[],
  flat: number,
  weights: readonly number[] = [],
): StepCostModel {
  const rows = samples.map(({ us, tokens, decodes, decodeContextTokens, chunkPairs }, index) => {
    const root = Math.sqrt(weights[index] ?? 1);
    const terms = [1, Math.max(0, tokens - flat), decodes, decodeContextTokens, chunkPairs];
    // Divided by the time, so that short steps count as much as long ones. The last column is what they add up to.
    return [...terms.map((term) => (root * term) / us), root];
  });
  const [floorUs = 0, tokenUs = 0, decodeUs = 0, contextUs = 0, pairUs = 0] =
    solveNonNegative(rows);
  const baseUs = floorUs - tokenUs * flat;
  return { floorUs, baseUs, tokenUs, kneeTokens: 0, kneeUs: 0, decodeUs, contextUs, pairUs };
}

function errorPctOf(model: StepCostModel, samples: readonly StepSample[]): number {
  const errors = samples.map((sample) => Math.abs(predictStepUs(model, sample) / sample.us - 1));
  return (errors.reduce((sum, error) => sum + error, 0) / errors.length) * 100;
}

/** x >= 0 that brings every row . x near the row's last column: solves, fixes the most negative coefficient at 0, and solves again. */
function solveNonNegative(rows: readonly (readonly number[])[]): number[] {
  const width = (rows[0]?.length ?? 1) - 1;
  const solution = new Array<number>(width).fill(0);
  let free = Array.from({ length: width }, (_, index) => index);
  while (free.length > 0) {
    const found = solveLeastSquares(rows, free);
    const lowest = found.indexOf(Math.min(...found));
    if ((found[lowest] ?? 0) >= 0) {
      free.forEach((column, index) => (solution[column] = found[index] ?? 0));
      break;
    }
    free = free.filter((_, index) => index !== lowest);
  }
  return solution;
}

/** Normal equations of the chosen columns against the last one, each column scaled to length 1. */
function solveLeastSquares(rows: readonly (readonly number[])[], columns: readonly number[]) {
  const lengths = columns.map((column) => Math.hypot(...rows.map((row) => row[column] ?? 0)) || 1);
  const entry = (row: readonly number[], index: number): number =>
    (row[columns[index] ?? 0] ?? 0) / (lengths[index] ?? 1);
  const matrix = columns.map((_, i) => [
    ...columns.map((__, j) => rows.reduce((sum, row) => sum + entry(row, i) * entry(row, j), 0)),
    rows.reduce((sum, row) => sum + entry(row, i) * (row.at(-1) ?? 0), 0),
  ]);
  return eliminate(matrix).map((value, index) => value / (lengths[index] ?? 1));
}

/** Columns that the samples do not tell apart get no share of their own. */
const PIVOT_MIN = 1e-9;

/** Gauss-Jordan with partial pivoting on an augmented square matrix. */
function eliminate(matrix: number[][]): number[] {
  const size = matrix.length;
  const pivotOf = new Array<number>(size).fill(-1);
  let used = 0;
  for (let column = 0; column < size; column++) {
    const pivot = pivotRow(matrix, column, used);
    const at = (row: number): number => matrix[row]?.[column] ?? 0;
    if (Math.abs(at(pivot)) < PIVOT_MIN) continue;
    [matrix[used], matrix[pivot]] = [matrix[pivot] ?? [], matrix[used] ?? []];
    const head = (matrix[used] ?? []).map((value) => value / at(used));
    matrix[used] = head;
    matrix.forEach((row, index) => {
      const factor = row[column] ?? 0;
      if (index !== used) matrix[index] = row.map((value, k) => value - factor * (head[k] ?? 0));
    });
    pivotOf[column] = used;
    used += 1;
  }
  return pivotOf.map((row) => (row < 0 ? 0 : (matrix[row]?.[size] ?? 0)));
}

function pivotRow(matrix: readonly (readonly number[])[], column: number, from: number): number {
  let best = from;
  for (let row = from + 1; row < matrix.length; row++) {
    const value = Math.abs(matrix[row]?.[column] ?? 0);
    if (value > Math.abs(matrix[best]?.[column] ?? 0)) best = row;
  }
  return best;
}
