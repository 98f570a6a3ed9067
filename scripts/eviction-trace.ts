// Writes the mixed trace that test/papers/eviction.test.ts replays: what a node's pool would be asked for by tenants with
// shared prompts, adapters and prompt modules. Seeded, so that the committed file can be made again:
//   node scripts/eviction-trace.ts
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const SEED = 20_261_121;
const REQUESTS = 20_000;
const PAGE_BYTES = 368_640;
const OUT = fileURLToPath(new URL("../test/fixtures/traces/eviction-mixed.json", import.meta.url));

type Kind = "kv" | "adapter" | "module";

interface TraceObject {
  readonly kind: Kind;
  readonly bytes: number;
  readonly costMs: number;
}

/** [SplitMix64]'s shape in 32 bits: a stream of numbers in [0, 1). */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e37_79b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0_aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a_2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}

const random = randomOf(SEED);

function between(low: number, high: number): number {
  return Math.round(low * (high / low) ** random());
}

/** Ranks 0 .. count - 1 with probabilities that fall as 1 / rank^exponent. */
function zipf(count: number, exponent: number): () => number {
  const sums: number[] = [];
  let sum = 0;
  for (let rank = 1; rank <= count; rank++) sums.push((sum += rank ** -exponent));
  return () => {
    const drawn = random() * sum;
    return sums.findIndex((upTo) => drawn < upTo);
  };
}

const objects: TraceObject[] = [];

function population(count: number, make: () => TraceObject): number[] {
  return Array.from({ length: count }, () => objects.push(make()) - 1);
}

// A prompt's block: one page; 16 tokens are computed in 2 to 8 ms, more at long contexts.
const block = (): TraceObject => ({ kind: "kv", bytes: PAGE_BYTES, costMs: between(2, 8) });
const blocks = population(3_000, block);
// An adapter of rank 8 to 64: 2 to 16 MB, loaded at about 1 GB/s and unpacked.
const adapters = population(150, () => {
  const bytes = between(2_000_000, 16_000_000);
  return { kind: "adapter", bytes, costMs: Math.round(2 + bytes / 1_000_000) };
});
// A module of 100 to 2,000 tokens: computed again, 0.3 ms a token.
const modules = population(150, () => {
  const tokens = between(100, 2_000);
  const pages = Math.ceil(tokens / 16);
  return { kind: "module", bytes: pages * PAGE_BYTES, costMs: Math.round(0.3 * tokens) };
});

const drawBlock = zipf(blocks.length, 0.9);
const drawAdapter = zipf(adapters.length, 0.9);
const drawModule = zipf(modules.length, 0.9);
const accesses: number[] = [];

while (accesses.length < REQUESTS) {
  const drawn = random();
  if (drawn < 0.7) accesses.push(blocks[drawBlock()] ?? 0);
  else if (drawn < 0.88) accesses.push(adapters[drawAdapter()] ?? 0);
  else if (drawn < 0.995) accesses.push(modules[drawModule()] ?? 0);
  // A long document that nobody sends twice.
  else accesses.push(...population(between(20, 120), block));
}

const bytes = objects.map((object) => object.bytes);
const costsMs = objects.map((object) => object.costMs);
const kinds = objects.map((object) => object.kind[0]).join("");
const trace = { seed: SEED, kinds, bytes, costsMs, accesses };
writeFileSync(OUT, `${JSON.stringify(trace)}\n`);
