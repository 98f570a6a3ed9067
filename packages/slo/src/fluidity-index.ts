// Owns the fluidity index of one request's tokens and the fluid token rate of many requests. Times are whole
// microseconds: in floating seconds 0.3 / 0.1 would floor to 2 deadlines. Invariant: a meter's missed deadlines never
// exceed its total, so fluidity lies in 0 .. 1.
import { assert } from "@fairlane/base";

export interface FluidityDeadlines {
  /** From receipt to the first token. */
  readonly prefillDeadlineUs: number;
  /** From a token to the next. */
  readonly decodeDeadlineUs: number;
}

/** The live meter of one request: four numbers, constant work a token. */
export class FluidityMeter {
  readonly #deadlines: FluidityDeadlines;
  #slackUs = 0;
  #missed = 0;
  #total = 0;
  #tokenCount = 0;

  constructor(deadlines: FluidityDeadlines) {
    assertWholeUs(deadlines.prefillDeadlineUs);
    assertWholeUs(deadlines.decodeDeadlineUs);
    assert(deadlines.decodeDeadlineUs > 0, "the decode deadline must be above 0");
    this.#deadlines = deadlines;
  }

  get missed(): number {
    return this.#missed;
  }

  /** Deadlines that passed: one a token, and a late token's further ones. */
  get total(): number {
    return this.#total;
  }

  /** The share of deadlines that were met; null before the first token, so that failures cannot pass as fluid. */
  get fluidity(): number | null {
    return this.#total === 0 ? null : 1 - this.#missed / this.#total;
  }

  /**
   * Notes a token that came `gapUs` after the one before it, the first one after the request's receipt. Of tokens that
   * arrive together all but the first have a gap of 0.
   */
  // [Metron] Alg. 1: tokens that come early build slack; a stall counts once for each deadline that it lets pass.
  token(gapUs: number): void {
    assertWholeUs(gapUs);
    const { prefillDeadlineUs, decodeDeadlineUs } = this.#deadlines;
    const deadlineUs = this.#tokenCount === 0 ? prefillDeadlineUs : decodeDeadlineUs;
    this.#tokenCount += 1;
    const lateUs = gapUs - deadlineUs - this.#slackUs;
    if (lateUs <= 0) {
      this.#slackUs = -lateUs;
      this.#total += 1;
      return;
    }
    const missed = Math.floor(lateUs / decodeDeadlineUs) + 1;
    this.#missed += missed;
    this.#total += missed;
    this.#slackUs = 0;
  }
}

/** The fluidity index of a whole request by the gaps before its tokens; null without tokens. */
export function fluidityOf(gapsUs: readonly number[], deadlines: FluidityDeadlines): number | null {
  return meterOf(gapsUs, deadlines).fluidity;
}

function meterOf(gapsUs: readonly number[], deadlines: FluidityDeadlines): FluidityMeter {
  const meter = new FluidityMeter(deadlines);
  for (const gapUs of gapsUs) meter.token(gapUs);
  return meter;
}

/** Misses that a request may have and still counts as fluid. */
const MISSED_MAX = { numerator: 1, denominator: 10 } as const;

/**
 * The highest token rate a second at which a share `quantile` of the requests is fluid (at most a tenth of their
 * deadlines missed, the first token not counted); null when no request has two tokens.
 * @param requests the gaps before each request's tokens
 */
export function fluidTokenRate(
  requests: readonly (readonly number[])[],
  quantile = 0.99,
): number | null {
  assert(quantile > 0 && quantile <= 1, `a quantile lies in 0 .. 1, got ${quantile}`);
  const deadlinesUs = requests
    .filter((gapsUs) => gapsUs.length >= 2)
    .map((gapsUs) => smallestDeadlineUs(gapsUs.slice(1)))
    .sort((a, b) => a - b);
  const deadlineUs = deadlinesUs[Math.ceil(quantile * deadlinesUs.length) - 1];
  return deadlineUs === undefined ? null : 1e6 / deadlineUs;
}

/** The smallest decode deadline with few enough misses. They never rise with the deadline, so bisection finds it. */
function smallestDeadlineUs(decodeGapsUs: readonly number[]): number {
  let tooSmallUs = 0;
  let enoughUs = Math.max(1, ...decodeGapsUs);
  while (enoughUs - tooSmallUs > 1) {
    const middleUs = Math.floor((tooSmallUs + enoughUs) / 2);
    const deadlines = { prefillDeadlineUs: middleUs, decodeDeadlineUs: middleUs };
    const { missed, total } = meterOf(decodeGapsUs, deadlines);
    const isFluid = missed * MISSED_MAX.denominator <= total * MISSED_MAX.numerator;
    if (isFluid) enoughUs = middleUs;
    else tooSmallUs = middleUs;
  }
  return enoughUs;
}

function assertWholeUs(us: number): void {
  assert(Number.isSafeInteger(us) && us >= 0, `times are whole microseconds, got ${us}`);
}
