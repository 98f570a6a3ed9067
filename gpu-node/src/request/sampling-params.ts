// Owns the way from OpenAI's sampling fields to what the engine samples by. Ranges were checked at the door.
// Invariant: the same given seed makes the same 64 bits on every node; without one they are random.
import type { Random } from "@fairlane/base";
import type { SamplingParams } from "../engine/worker-messages.ts";

/** OpenAI's fields as parsed; null and absent mean the API's default. */
export interface SamplingFields {
  readonly temperature?: number | null | undefined;
  readonly top_p?: number | null | undefined;
  readonly top_k?: number | null | undefined;
  readonly seed?: number | null | undefined;
  readonly min_p?: number | null | undefined;
  readonly typical_p?: number | null | undefined;
  readonly repetition_penalty?: number | null | undefined;
  readonly presence_penalty?: number | null | undefined;
  readonly frequency_penalty?: number | null | undefined;
  readonly logit_bias?: Readonly<Record<string, number>> | null | undefined;
  readonly min_tokens?: number | null | undefined;
  readonly logprobs?: boolean | null | undefined;
  readonly top_logprobs?: number | null | undefined;
}

// Below this, dividing logits by the temperature overflows f32 or leaves one candidate: greedy says the same.
const GREEDY_BELOW_TEMPERATURE = 1e-5;
// The smallest normal f32. A smaller top_p or typical_p would be 0 there; both keep one token only.
const FRACTION_MIN = 2 ** -126;

/** Sampling parameters of one request. Defaults are OpenAI's: temperature 1, top_p 1, no top_k. */
export function samplingParams(fields: SamplingFields, random: Random): SamplingParams {
  const temperature = fields.temperature ?? 1;
  const seed = fields.seed ?? undefined;
  const bits = seed === undefined ? randomBits(random) : mixSeed(BigInt(seed));
  return {
    temperature: temperature < GREEDY_BELOW_TEMPERATURE ? 0 : temperature,
    topP: fractionOf(fields.top_p),
    topK: fields.top_k ?? 0,
    seedLow: Number(bits & 0xffff_ffffn),
    seedHigh: Number(bits >> 32n),
    ...optionalParams(fields),
  };
}

/** The seed of a further answer: choice 1 and up; the same for the same request seed. */
export function choiceSeed(
  { seedLow, seedHigh }: SamplingParams,
  choice: number,
): Pick<SamplingParams, "seedLow" | "seedHigh"> {
  const bits = (BigInt(seedHigh) << 32n) | BigInt(seedLow);
  const mixed = mixSeed(BigInt.asUintN(64, bits + BigInt(choice)));
  return { seedLow: Number(mixed & 0xffff_ffffn), seedHigh: Number(mixed >> 32n) };
}

// Only what is on, so that most requests carry nothing of it.
function optionalParams(fields: SamplingFields): Partial<SamplingParams> {
  const biases = Object.entries(fields.logit_bias ?? {});
  return {
    ...(fields.min_p ? { minP: fields.min_p } : {}),
    ...((fields.typical_p ?? 1) < 1 ? { typicalP: fractionOf(fields.typical_p) } : {}),
    ...((fields.repetition_penalty ?? 1) !== 1
      ? { repetitionPenalty: fields.repetition_penalty ?? 1 }
      : {}),
    ...(fields.presence_penalty ? { presencePenalty: fields.presence_penalty } : {}),
    ...(fields.frequency_penalty ? { frequencyPenalty: fields.frequency_penalty } : {}),
    ...(biases.length > 0
      ? { logitBias: biases.map(([token, value]) => ({ token: Number(token), value })) }
      : {}),
    ...(fields.logprobs === true ? { topLogprobs: fields.top_logprobs ?? 0 } : {}),
    ...(fields.min_tokens ? { minTokens: fields.min_tokens } : {}),
  };
}

function fractionOf(value: number | null | undefined): number {
  return Math.max(value ?? 1, FRACTION_MIN);
}

// [SplitMix64] One step of the generator: neighbouring seeds share no visible pattern.
function mixSeed(seed: bigint): bigint {
  let bits = BigInt.asUintN(64, seed + 0x9e37_79b9_7f4a_7c15n);
  bits = BigInt.asUintN(64, (bits ^ (bits >> 30n)) * 0xbf58_476d_1ce4_e5b9n);
  bits = BigInt.asUintN(64, (bits ^ (bits >> 27n)) * 0x94d0_49bb_1331_11ebn);
  return bits ^ (bits >> 31n);
}

function randomBits(random: Random): bigint {
  const bytes = random.fill(new Uint8Array(8));
  return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0);
}
