// Owns workloads: how a committed description becomes the same arrivals and lengths on every machine. It sends nothing.
// Invariant: the requests depend on the description alone.
import { readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";

const lengths = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("lognormal"),
    median: z.number().positive(),
    p90: z.number().positive(),
    min: z.int().min(1),
    max: z.int().min(1),
  }),
  z.object({
    kind: z.literal("quantiles"),
    /** [quantile, length], ascending, straight lines between. */
    points: z.array(z.tuple([z.number().min(0).max(1), z.number().min(1)])).min(2),
  }),
]);

const workload = z.object({
  name: z.string(),
  seed: z.int(),
  requests: z.int().min(1),
  ratePerSecond: z.number().positive(),
  /** Lengths are those of the trace times this, so that small machines can serve the same shape. */
  lengthScale: z.number().positive(),
  /** Of the node: fixed, so that the longest stall can be compared with it. */
  stepBudgetTokens: z.int().min(16),
  runSecondsMax: z.int().min(1),
  targets: z.object({ ttftMs: z.int().min(1), tbtMs: z.int().min(1) }),
  prompt: lengths,
  output: lengths,
  /** Longer requests are left out of the trace. */
  totalTokensMax: z.int().min(2),
});

export type Workload = z.infer<typeof workload>;
type Lengths = z.infer<typeof lengths>;

export interface Arrival {
  readonly atMs: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
}

/** Reads a committed workload by its name. */
export async function readWorkload(name: string): Promise<Workload> {
  const file = path.join(import.meta.dirname, "workloads", `${name}.json`);
  return workload.parse(JSON.parse(await readFile(file, "utf8")));
}

/** Requests with Poisson arrivals at the workload's rate and independent lengths. */
export function arrivalsOf(
  description: Workload,
  ratePerSecond = description.ratePerSecond,
): Arrival[] {
  const random = seededRandom(description.seed);
  const arrivals: Arrival[] = [];
  let atMs = 0;
  while (arrivals.length < description.requests) {
    const prompt = sampleLength(description.prompt, random);
    const output = sampleLength(description.output, random);
    if (prompt + output > description.totalTokensMax) continue;
    atMs += (-Math.log(1 - random()) * 1_000) / ratePerSecond;
    arrivals.push({
      atMs,
      promptTokens: scaled(prompt, description.lengthScale),
      outputTokens: scaled(output, description.lengthScale),
    });
  }
  return arrivals;
}

function scaled(length: number, scale: number): number {
  return Math.max(1, Math.round(length * scale));
}

/** Standard normal value below which nine tenths lie. */
const NORMAL_P90 = 1.2815515655446004;

function sampleLength(distribution: Lengths, random: () => number): number {
  if (distribution.kind === "quantiles") return atQuantile(distribution.points, random());
  const { median, p90, min, max } = distribution;
  const sigma = Math.log(p90 / median) / NORMAL_P90;
  // Box and Muller: two uniform values give a normal one.
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Math.round(Math.min(max, Math.max(min, median * Math.exp(sigma * normal))));
}

function atQuantile(points: readonly (readonly [number, number])[], quantile: number): number {
  const above = points.findIndex(([q]) => q >= quantile);
  const [highQ, high] = points[above] ?? points.at(-1) ?? [1, 1];
  const [lowQ, low] = points[above - 1] ?? [highQ, high];
  const share = highQ === lowQ ? 1 : (quantile - lowQ) / (highQ - lowQ);
  return Math.round(low + share * (high - low));
}

/** Uniform values in [0, 1) that repeat with the seed: a Weyl sequence through an integer hash. */
export function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e37_79b9) | 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0_aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a_2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}
