// Owns the mixed traces on which the evictor is compared: what a node's pool would be asked for by tenants with shared
// prompts, adapters and prompt modules, some of them in conversations, and long documents that come once. Seeded: a
// description always makes the same trace. It knows no policy. Invariant: every access names an object.
import { assert } from "@fairlane/base";
import { seededRandom } from "../bench/workload.ts";

/** Bytes of a page of the default model's KV in f16: 16 tokens. */
const PAGE_BYTES = 368_640;
/** A conversation's turn brings one to four blocks of its own. */
const TURN_BLOCKS_MAX = 4;

export interface TraceDescription {
  readonly seed: number;
  readonly accesses: number;
  /** Popularity falls as 1 / rank^exponent, in each kind. */
  readonly zipfExponent: number;
  readonly blockCount: number;
  readonly adapterCount: number;
  readonly moduleCount: number;
  /** Shares of draws; what is left to 1 are documents of 20 to 120 blocks that come once. */
  readonly shares: Readonly<Record<"kv" | "adapter" | "module" | "turn", number>>;
  /** Every so many accesses, this share of each kind's ranks changes hands; absent: popularity stays. */
  readonly drift?: { readonly everyAccesses: number; readonly share: number };
  /** Conversations held at once; a turn asks for all of its conversation's blocks, and adds some. */
  readonly conversationCount?: number;
}

export interface TraceObject {
  readonly kind: "kv" | "adapter" | "module";
  readonly bytes: number;
  readonly costMs: number;
}

export interface Trace {
  readonly objects: readonly TraceObject[];
  /** Indexes of objects. */
  readonly accesses: readonly number[];
}

/** Ranks 0 .. count - 1 with probabilities that fall as 1 / rank^exponent. */
function zipf(count: number, exponent: number, random: () => number): () => number {
  const sums: number[] = [];
  let sum = 0;
  for (let rank = 1; rank <= count; rank++) sums.push((sum += rank ** -exponent));
  return () => {
    const drawn = random() * sum;
    return sums.findIndex((upTo) => drawn < upTo);
  };
}

class TraceMaker {
  readonly #described: TraceDescription;
  readonly #random: () => number;
  readonly #objects: TraceObject[] = [];
  readonly #accesses: number[] = [];
  readonly #conversations: number[][] = [];

  constructor(described: TraceDescription) {
    this.#described = described;
    this.#random = seededRandom(described.seed);
  }

  make(): Trace {
    const { blockCount, adapterCount, moduleCount, zipfExponent, shares, accesses } =
      this.#described;
    const kinds = [
      this.#population(blockCount, () => this.#block()),
      this.#population(adapterCount, () => this.#adapter()),
      this.#population(moduleCount, () => this.#module()),
    ] as const;
    const ranks = kinds.map(({ length }) => zipf(length, zipfExponent, this.#random));
    const bounds = [shares.kv, shares.kv + shares.adapter];
    bounds.push((bounds[1] ?? 0) + shares.module);
    bounds.push((bounds[2] ?? 0) + shares.turn);
    let driftedAt = 0;
    while (this.#accesses.length < accesses) {
      const { drift } = this.#described;
      if (drift && this.#accesses.length - driftedAt >= drift.everyAccesses) {
        driftedAt = this.#accesses.length;
        for (const kind of kinds) this.#swapRanks(kind, drift.share);
      }
      const drawn = this.#random();
      const choice = bounds.findIndex((upTo) => drawn < upTo);
      const kind = kinds[choice];
      if (kind !== undefined) this.#accesses.push(kind[ranks[choice]?.() ?? 0] ?? 0);
      else if (choice === 3) this.#turn();
      else this.#accesses.push(...this.#population(this.#between(20, 120), () => this.#block()));
    }
    return { objects: this.#objects, accesses: this.#accesses };
  }

  /** A turn of a conversation; a new one takes the place of any that is held. */
  #turn(): void {
    const { conversationCount = 0 } = this.#described;
    assert(conversationCount > 0, "turns need conversations");
    const index = Math.floor(this.#random() * conversationCount);
    const isNew = this.#conversations[index] === undefined || this.#random() < 0.2;
    const held = isNew ? [] : (this.#conversations[index] ?? []);
    const own = this.#population(this.#between(1, TURN_BLOCKS_MAX), () => this.#block());
    this.#accesses.push(...held, ...own);
    this.#conversations[index] = [...held, ...own];
  }

  #swapRanks(kind: number[], share: number): void {
    for (let swap = 0; swap < kind.length * share; swap++) {
      const one = Math.floor(this.#random() * kind.length);
      const other = Math.floor(this.#random() * kind.length);
      [kind[one], kind[other]] = [kind[other] ?? 0, kind[one] ?? 0];
    }
  }

  #population(count: number, make: () => TraceObject): number[] {
    return Array.from({ length: count }, () => this.#objects.push(make()) - 1);
  }

  #between(low: number, high: number): number {
    return Math.round(low * (high / low) ** this.#random());
  }

  /** One page; its 16 tokens are computed in 2 to 8 ms, more at long contexts. */
  #block(): TraceObject {
    return { kind: "kv", bytes: PAGE_BYTES, costMs: this.#between(2, 8) };
  }

  /** Rank 8 to 64: 2 to 16 MB, loaded at about 1 GB/s and unpacked. */
  #adapter(): TraceObject {
    const bytes = this.#between(2_000_000, 16_000_000);
    return { kind: "adapter", bytes, costMs: Math.round(2 + bytes / 1_000_000) };
  }

  /** 100 to 2,000 tokens, computed again at 0.3 ms each. */
  #module(): TraceObject {
    const tokens = this.#between(100, 2_000);
    const pages = Math.ceil(tokens / 16);
    return { kind: "module", bytes: pages * PAGE_BYTES, costMs: Math.round(0.3 * tokens) };
  }
}

export function makeTrace(described: TraceDescription): Trace {
  return new TraceMaker(described).make();
}

const MIXED: TraceDescription = {
  seed: 0,
  accesses: 20_000,
  zipfExponent: 0.9,
  blockCount: 3_000,
  adapterCount: 150,
  moduleCount: 150,
  shares: { kv: 0.7, adapter: 0.18, module: 0.115, turn: 0 },
};
const DRIFT = { everyAccesses: 2_000, share: 0.1 };
const CONVERSATIONS = { kv: 0.25, adapter: 0.15, module: 0.1, turn: 0.48 };

/** The evictor's constants were chosen on these. */
export const TRAINING: Readonly<Record<string, TraceDescription>> = {
  mixed: { ...MIXED, seed: 20_261_121 },
  drifting: { ...MIXED, seed: 12, drift: DRIFT },
  steep: { ...MIXED, seed: 14, zipfExponent: 1.1 },
  flat: { ...MIXED, seed: 13, zipfExponent: 0.75 },
  talking: { ...MIXED, seed: 15, shares: CONVERSATIONS, conversationCount: 40 },
};

/** Other seeds and parameters, on which nothing was chosen: what is claimed is claimed of these. */
export const VALIDATION: Readonly<Record<string, TraceDescription>> = {
  mixed: { ...MIXED, seed: 20_261_122 },
  "more adapters": {
    ...MIXED,
    seed: 1_001,
    adapterCount: 300,
    shares: { kv: 0.55, adapter: 0.33, module: 0.115, turn: 0 },
  },
  steeper: { ...MIXED, seed: 1_002, zipfExponent: 1 },
  flatter: { ...MIXED, seed: 1_003, zipfExponent: 0.8 },
  drifting: { ...MIXED, seed: 1_004, drift: { everyAccesses: 3_000, share: 0.15 } },
  talking: { ...MIXED, seed: 1_005, shares: CONVERSATIONS, conversationCount: 60 },
};
