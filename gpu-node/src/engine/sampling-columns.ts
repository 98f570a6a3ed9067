// Owns what the engine is told of a request's sampling: its row of the sampling columns and its logit biases, the
// suppression of stop tokens among them. Invariant: biasCountOf is the number of biases that biasesOf gives.
import { POOLING } from "./slot-embeddings.ts";
import type { EngineRequest } from "./worker-messages.ts";
import type { PlanViews } from "./step-layout.ts";

export interface PositionedBias {
  readonly token: number;
  readonly value: number;
  /** The bias holds for logits of positions below. */
  readonly untilPosition: number;
}

/** Past every position: the bias always holds. */
const ALWAYS = 0x7fff_ffff;

/** Writes the sampling columns of an update whose slot is set. */
export function writeSamplingUpdate(plan: PlanViews, index: number, spec: EngineRequest): void {
  const { sampling, promptTokens } = spec;
  plan.sampling_top_k[index] = sampling.topK;
  // Int32Array keeps the low 32 bits of an unsigned half.
  plan.sampling_seed_lo[index] = sampling.seedLow;
  plan.sampling_seed_hi[index] = sampling.seedHigh;
  plan.sampling_temperature[index] = sampling.temperature;
  plan.sampling_top_p[index] = sampling.topP;
  plan.sampling_min_p[index] = sampling.minP ?? 0;
  plan.sampling_typical_p[index] = sampling.typicalP ?? 1;
  plan.sampling_repetition_penalty[index] = sampling.repetitionPenalty ?? 1;
  plan.sampling_presence_penalty[index] = sampling.presencePenalty ?? 0;
  plan.sampling_frequency_penalty[index] = sampling.frequencyPenalty ?? 0;
  plan.sampling_prompt_tokens[index] = promptTokens.length;
  plan.sampling_top_logprobs[index] = sampling.topLogprobs ?? 0;
  plan.sampling_pooling[index] = POOLING[spec.pooling ?? "none"];
}

/**
 * True when sampling or pooling reads all that came before. The engine must then compute every position of the request itself,
 * from 0 on: none may come from a cache or a copy of pages.
 */
export function readsHistory({ sampling, pooling }: EngineRequest): boolean {
  // A mean takes the states of all positions.
  if (pooling === "mean") return true;
  const { repetitionPenalty = 1, presencePenalty = 0, frequencyPenalty = 0 } = sampling;
  return repetitionPenalty !== 1 || presencePenalty !== 0 || frequencyPenalty !== 0;
}

/** Biases that a request brings into the plan of the step in which it joins. */
export function biasCountOf({ sampling, stopTokenIds }: EngineRequest): number {
  return (sampling.logitBias?.length ?? 0) + (sampling.minTokens ? stopTokenIds.length : 0);
}

/** The client's biases, and minus infinity for stop tokens while the output is shorter than min_tokens. */
export function biasesOf(spec: EngineRequest): PositionedBias[] {
  const { logitBias = [], minTokens = 0 } = spec.sampling;
  const biases = logitBias.map((bias) => ({ ...bias, untilPosition: ALWAYS }));
  if (minTokens === 0) return biases;
  // Output token i is sampled from the logits of position prompt - 1 + i.
  const untilPosition = spec.promptTokens.length - 1 + minTokens;
  const suppressed = spec.stopTokenIds.map((token) => ({ token, value: -Infinity, untilPosition }));
  return [...biases, ...suppressed];
}
