// Owns how one request is sampled, as the scheduler and the engines are told.

/** How rows are sampled; 0 temperature = greedy, top_p 1 and top_k 0 = off. What is absent is off. */
export interface SamplingParams {
  readonly temperature: number;
  readonly topP: number;
  readonly topK: number;
  /** 64 bits of seed as two unsigned 32-bit halves. */
  readonly seedLow: number;
  readonly seedHigh: number;
  readonly minP?: number;
  readonly typicalP?: number;
  readonly repetitionPenalty?: number;
  readonly presencePenalty?: number;
  readonly frequencyPenalty?: number;
  readonly logitBias?: readonly TokenBias[];
  /** Output tokens before which no stop token can be sampled. */
  readonly minTokens?: number;
  /** Likeliest tokens to report with each sample; absent = no log-probabilities at all. */
  readonly topLogprobs?: number;
}

export interface TokenBias {
  readonly token: number;
  /** Added to the logit. */
  readonly value: number;
}
