// Owns side-by-side measuring: every round runs each side once, one after the other, so that a slow spell of the machine
// meets all of them; figures are medians over rounds.
import type { Timing } from "./line-process.ts";

/** Runs of each side in a full bench; a quick one does as many as fit, at least one. */
const FULL_ROUNDS = 7;
const QUICK_SECONDS = 42;

/** The middle value; the mean of the two middle ones of an even count. */
export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const [low, high] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  return ((low ?? NaN) + (high ?? NaN)) / 2;
}

export interface Alternation<Side extends string> {
  /** Tokens a second of each side, the median over rounds. */
  readonly tokensPerSecond: Readonly<Record<Side, number>>;
  readonly rounds: number;
}

/**
 * Runs the sides in turns, after one unmeasured run of each where there is time for it.
 * @param options.startedMs when the whole bench began, on performance.now()'s clock
 */
export async function alternate<Side extends string>(
  sides: Readonly<Record<Side, () => Promise<Timing>>>,
  options: { readonly isQuick: boolean; readonly startedMs: number },
): Promise<Alternation<Side>> {
  const names = Object.keys(sides) as Side[];
  const rates = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<
    Side,
    number[]
  >;
  if (!options.isQuick) for (const name of names) await sides[name]();
  let rounds = 0;
  for (let lastMs = 0; rounds < FULL_ROUNDS; rounds++) {
    const nowMs = performance.now();
    const leftMs = options.startedMs + QUICK_SECONDS * 1_000 - nowMs;
    if (options.isQuick && rounds > 0 && leftMs < lastMs) break;
    for (const name of names) {
      const { seconds, tokens } = await sides[name]();
      rates[name].push(tokens / seconds);
    }
    lastMs = performance.now() - nowMs;
  }
  const medians = names.map((name) => [name, medianOf(rates[name])]);
  return { tokensPerSecond: Object.fromEntries(medians) as Record<Side, number>, rounds };
}
