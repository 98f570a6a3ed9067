// Owns the schedulers that papers compare with, in the fewest lines that behave as described, on the same cost model and
// memory bounds: "prefill-first" computes whole prompts before anything else, as vLLM did; "alternating" computes prompt
// chunks and decodes in turns and never together. Both hold memory for a whole request from its start.
import { pairsOfChunk, predictStepUs } from "../../gpu-node/src/scheduler/step-cost-model.ts";
import type { Arrival } from "../bench/workload.ts";
import { timesOf, type Machine, type RequestTimes } from "./simulated-run.ts";

export type Baseline =
  | { readonly kind: "prefill-first"; readonly prefillTokensMax: number }
  | { readonly kind: "alternating"; readonly chunkTokens: number };

interface Sequence {
  readonly times: RequestTimes;
  readonly promptTokens: number;
  readonly outputTokens: number;
  computedTokens: number;
}

interface Chunk {
  readonly sequence: Sequence;
  readonly tokens: number;
}

class BaselineRun {
  readonly #machine: Machine;
  readonly #baseline: Baseline;
  readonly #waiting: Sequence[];
  #running: Sequence[] = [];
  #nowUs = 0;
  #wasPrefill = false;

  constructor(sequences: readonly Sequence[], machine: Machine, baseline: Baseline) {
    this.#waiting = [...sequences];
    this.#machine = machine;
    this.#baseline = baseline;
  }

  run(): void {
    while (this.#waiting.length + this.#running.length > 0) {
      const chunks = this.#chunks();
      if (chunks.length > 0) this.#prefill(chunks);
      else if (this.#running.some(isDecoding)) this.#decode();
      else this.#nowUs = Math.max(this.#nowUs, this.#waiting[0]?.times.arrivedUs ?? 0);
      this.#running = this.#running.filter(
        ({ times, outputTokens }) => times.tokenUs.length < outputTokens,
      );
    }
  }

  /** The prompts, or parts of them, of the next step; none when it is a decode's turn. */
  #chunks(): Chunk[] {
    if (this.#baseline.kind === "alternating") {
      if (this.#wasPrefill && this.#running.some(isDecoding)) return [];
      return this.#chunksWithin(this.#baseline.chunkTokens);
    }
    const chunks: Chunk[] = [];
    let leftTokens = this.#baseline.prefillTokensMax;
    for (;;) {
      const head = this.#waiting[0];
      if (head === undefined || head.promptTokens > leftTokens || !this.#join(head)) return chunks;
      chunks.push({ sequence: head, tokens: head.promptTokens });
      leftTokens -= head.promptTokens;
    }
  }

  #chunksWithin(chunkTokens: number): Chunk[] {
    const chunks: Chunk[] = [];
    let leftTokens = chunkTokens;
    const unfinished = this.#running.filter((sequence) => !isDecoding(sequence));
    for (;;) {
      if (leftTokens === 0) return chunks;
      const sequence = unfinished.shift() ?? this.#joined();
      if (sequence === null) return chunks;
      const tokens = Math.min(leftTokens, sequence.promptTokens - sequence.computedTokens);
      chunks.push({ sequence, tokens });
      leftTokens -= tokens;
    }
  }

  /** The head of the queue once it has joined; null when it cannot. */
  #joined(): Sequence | null {
    const head = this.#waiting[0];
    return head !== undefined && this.#join(head) ? head : null;
  }

  /** Moves the head of the queue to the running set if it has arrived and fits. */
  #join(head: Sequence): boolean {
    const { kvTokens, runningRequestsMax } = this.#machine;
    const held = [...this.#running, head].reduce(
      (sum, s) => sum + s.promptTokens + s.outputTokens,
      0,
    );
    const fits = held <= kvTokens && this.#running.length < runningRequestsMax;
    if (head.times.arrivedUs > this.#nowUs || !fits) return false;
    this.#waiting.shift();
    this.#running.push(head);
    head.times.scheduledUs = this.#nowUs;
    return true;
  }

  #prefill(chunks: readonly Chunk[]): void {
    let [tokens, chunkPairs] = [0, 0];
    for (const { sequence, tokens: count } of chunks) {
      tokens += count;
      chunkPairs += pairsOfChunk(count, sequence.computedTokens);
      sequence.computedTokens += count;
    }
    this.#advance({ tokens, decodes: 0, decodeContextTokens: 0, chunkPairs });
    for (const { sequence } of chunks) {
      if (isDecoding(sequence)) sequence.times.tokenUs.push(this.#nowUs);
    }
    this.#wasPrefill = true;
  }

  #decode(): void {
    const decoding = this.#running.filter(isDecoding);
    const decodeContextTokens = decoding.reduce(
      (sum, { promptTokens, times }) => sum + promptTokens + times.tokenUs.length,
      0,
    );
    const decodes = decoding.length;
    this.#advance({ tokens: decodes, decodes, decodeContextTokens, chunkPairs: 0 });
    for (const { times } of decoding) times.tokenUs.push(this.#nowUs);
    this.#wasPrefill = false;
  }

  #advance(shape: Parameters<typeof predictStepUs>[1]): void {
    this.#nowUs += Math.round(predictStepUs(this.#machine.cost, shape));
  }
}

function isDecoding({ computedTokens, promptTokens }: Sequence): boolean {
  return computedTokens === promptTokens;
}

/** Serves all arrivals with a baseline. */
export function baselineRun(
  arrivals: readonly Arrival[],
  machine: Machine,
  baseline: Baseline,
): RequestTimes[] {
  const sequences = arrivals.map((arrival) => ({
    times: timesOf(arrival),
    promptTokens: arrival.promptTokens,
    outputTokens: arrival.outputTokens,
    computedTokens: 0,
  }));
  new BaselineRun(sequences, machine, baseline).run();
  return sequences.map(({ times }) => times);
}
