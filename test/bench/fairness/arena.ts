// Owns the synthetic trace in the shape of the paper's real one (a slice of the LMSYS arena): 1,500 requests of 27
// clients in 600 s, with its counts by client and its median, mean and range of lengths. The trace itself is not here.
// Invariant: five committed seeds give five traces, the same everywhere.
import { readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { seededRandom } from "../workload.ts";
import type { FairArrival, Suite } from "./suites.ts";

const lengths = z.object({
  median: z.number().positive(),
  mean: z.number().positive(),
  min: z.int().min(1),
  max: z.int().min(1),
});
const shape = z.object({
  seeds: z.array(z.int()).length(5),
  durationSeconds: z.int().min(1),
  requestsOfClient: z.array(z.int().min(1)).length(27),
  prompt: lengths,
  output: lengths,
});
type Lengths = z.infer<typeof lengths>;

/** The five traces. */
export async function arenaSuites(): Promise<Suite[]> {
  const file = path.join(import.meta.dirname, "../workloads/arena-like.json");
  const { seeds, ...rest } = shape.parse(JSON.parse(await readFile(file, "utf8")));
  return seeds.map((seed) => arenaSuite(rest, seed));
}

function arenaSuite(
  { durationSeconds, requestsOfClient, prompt, output }: Omit<z.infer<typeof shape>, "seeds">,
  seed: number,
): Suite {
  const random = seededRandom(seed);
  const sigmas = { prompt: sigmaOf(prompt), output: sigmaOf(output) };
  const arrivals = requestsOfClient.flatMap((count, client) =>
    Array.from({ length: count }, (): FairArrival => {
      const atMs = random() * durationSeconds * 1_000;
      const promptTokens = sample(prompt, sigmas.prompt, random);
      return {
        tenantId: `c${client}`,
        atMs,
        promptTokens,
        outputTokens: sample(output, sigmas.output, random),
      };
    }),
  );
  return {
    name: `arena-like ${seed}`,
    durationSeconds,
    arrivals: arrivals.toSorted((a, b) => a.atMs - b.atMs),
  };
}

/** Log-normal around the median and cut to the range. */
function sample({ median, min, max }: Lengths, sigma: number, random: () => number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Math.round(Math.min(max, Math.max(min, median * Math.exp(sigma * normal))));
}

const SIGMA_MAX = 4;
const GRID = 2_000;

/** The spread at which lengths cut to the range have the wanted mean, by halving the range of sigma. */
function sigmaOf(wanted: Lengths): number {
  let [low, high] = [0, SIGMA_MAX];
  for (let step = 0; step < 40; step++) {
    const sigma = (low + high) / 2;
    if (meanAt(wanted, sigma) < wanted.mean) low = sigma;
    else high = sigma;
  }
  return (low + high) / 2;
}

/** The mean over a fixed grid of normal values, weighted by their density. */
function meanAt({ median, min, max }: Lengths, sigma: number): number {
  let [sum, weights] = [0, 0];
  for (let at = 0; at <= GRID; at++) {
    const normal = -5 + (10 * at) / GRID;
    const weight = Math.exp((-normal * normal) / 2);
    sum += weight * Math.min(max, Math.max(min, median * Math.exp(sigma * normal)));
    weights += weight;
  }
  return sum / weights;
}
