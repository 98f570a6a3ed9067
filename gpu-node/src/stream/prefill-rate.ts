// Owns how fast the node computes prompts, from the steps that were mostly prompt, and what of them waits: what a hub routes by. Newer
// steps count more, so that the rate follows the model's contexts and the machine's other load.
import type { StepFacts } from "../engine/worker-messages.ts";
import type { TokenStream } from "./token-stream.ts";

/** Share of the old sums that stays with each step: about the last 32 count. */
const DECAY = 1 - 1 / 32;

export class PrefillRate {
  #tokens = 0;
  #computeUs = 0;

  /** Notes a step. One that is mostly decodes says little of prompts. */
  note({ prefillTokens, decodeTokens }: StepFacts, computeUs: number): void {
    if (prefillTokens <= decodeTokens) return;
    this.#tokens = this.#tokens * DECAY + prefillTokens + decodeTokens;
    this.#computeUs = this.#computeUs * DECAY + computeUs;
  }

  /** Prompt tokens a second; undefined before the first prompt. */
  get tokensPerS(): number | undefined {
    if (this.#computeUs === 0) return undefined;
    return Math.max(1, Math.round((this.#tokens / this.#computeUs) * 1e6));
  }
}

/** Prompt tokens of requests without a token yet that are neither computed nor cached. */
export function queuedPromptTokens(streams: Iterable<TokenStream>): number {
  let queuedTokens = 0;
  for (const { request, counts } of streams) {
    const doneTokens = counts.computedPromptTokens + counts.cachedTokens;
    const leftTokens = Math.max(0, request.promptTokens.length - doneTokens);
    if (counts.outputTokens === 0) queuedTokens += leftTokens;
  }
  return queuedTokens;
}
