// Owns the random requests of a storm: prompts that share beginnings, several tenants, tiers, deadlines, ways of
// sampling, and several answers to one prompt. It submits nothing. Invariant: the draws depend on the seed and on the order of the calls alone.
import type {
  EngineRequest,
  RequestFork,
  SamplingParams,
} from "../../gpu-node/src/engine/worker-messages.ts";
import { seededRandom } from "../bench/workload.ts";

export interface DrawBounds {
  readonly vocabSize: number;
  /** Prompt and output together stay below. */
  readonly contextTokens: number;
  /** Half of the requests run with one of them, some more often than others; none when absent. */
  readonly adapters?: readonly string[];
}

const TEMPLATES = 24;
const TENANTS = 4;
const OUTPUT_TOKENS_MAX = 120;
const USUAL_OUTPUT_TOKENS_MAX = 24;
const GREEDY: SamplingParams = { temperature: 0, topP: 1, topK: 0, seedLow: 0, seedHigh: 0 };

export class RequestDraws {
  readonly #random: () => number;
  readonly #bounds: DrawBounds;
  readonly #templates: readonly (readonly number[])[];
  #count = 0;

  constructor(seed: number, bounds: DrawBounds) {
    this.#random = seededRandom(seed);
    this.#bounds = bounds;
    this.#templates = Array.from({ length: TEMPLATES }, () => this.#tokens(this.below(96) + 8));
  }

  /** An integer from 0 to count - 1. */
  below(count: number): number {
    return Math.floor(this.#random() * count);
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.#random() < probability;
  }

  request(nowMs: number): EngineRequest {
    const tenant = this.below(TENANTS);
    const hasDeadline = this.chance(0.15);
    this.#count += 1;
    const requestId = `req_${this.#count}`;
    return {
      requestId,
      ...(this.chance(0.1) ? { forks: this.#forksOf(requestId) } : {}),
      tenantId: `ten_${tenant}`,
      // The rest want none of the prefix cache.
      ...(this.chance(0.9) ? { tenantSalt: `salt_${tenant}` } : {}),
      ...this.#adapter(),
      weight: this.below(3) + 1,
      tier: this.chance(0.8) ? "interactive" : "batch",
      promptTokens: Int32Array.from(this.#prompt()),
      maxOutputTokens:
        this.below(this.chance(0.15) ? OUTPUT_TOKENS_MAX : USUAL_OUTPUT_TOKENS_MAX) + 1,
      stopTokenIds: this.chance(0.3) ? [this.below(this.#bounds.vocabSize)] : [],
      sampling: this.#sampling(),
      receivedAtMs: nowMs,
      deadlineMs: hasDeadline ? nowMs + this.below(60) + 1 : Number.MAX_SAFE_INTEGER,
    };
  }

  #adapter(): Pick<EngineRequest, "adapter"> {
    const { adapters = [] } = this.#bounds;
    if (adapters.length === 0 || this.chance(0.5)) return {};
    const digest = adapters[Math.floor(adapters.length * this.#random() ** 2)];
    return digest === undefined ? {} : { adapter: { digest } };
  }

  /** One or two further answers. */
  #forksOf(requestId: string): RequestFork[] {
    const choices = [1, 2].slice(0, this.below(2) + 1);
    return choices.map((choice) => {
      return { requestId: `${requestId}#${choice}`, seedLow: this.below(1e9), seedHigh: 0 };
    });
  }

  /** Popular templates more often; the last prompts of a template differ in their ends. */
  #prompt(): number[] {
    const rank = Math.floor(TEMPLATES * this.#random() ** 2);
    const template = this.#templates[rank] ?? [];
    const begin = template.slice(0, this.chance(0.8) ? template.length : this.below(40));
    const own = this.#tokens(this.below(this.chance(0.1) ? 120 : 24) + 1);
    const most = this.#bounds.contextTokens - OUTPUT_TOKENS_MAX - 1;
    return [...begin, ...own].slice(0, most);
  }

  #sampling(): SamplingParams {
    if (this.chance(0.7)) return GREEDY;
    const seeded = {
      temperature: 0.8,
      topP: 0.95,
      topK: 40,
      seedLow: this.below(1e9),
      seedHigh: 0,
    };
    return this.chance(0.3) ? { ...seeded, repetitionPenalty: 1.1 } : seeded;
  }

  #tokens(count: number): number[] {
    return Array.from({ length: count }, () => this.below(this.#bounds.vocabSize));
  }
}
