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
}

// Below this, dividing logits by the temperature overflows f32 or leaves one candidate: greedy says the same.
const GREEDY_BELOW_TEMPERATURE = 1e-5;
// The smallest normal f32. A smaller top_p would be 0 there; both keep the most likely token only.
const TOP_P_MIN = 2 ** -126;

/** Sampling parameters of one request. Defaults are OpenAI's: temperature 1, top_p 1, no top_k. */
export function samplingParams(fields: SamplingFields, random: Random): SamplingParams {
  const temperature = fields.temperature ?? 1;
  const seed = fields.seed ?? undefined;
  const bits = seed === undefined ? randomBits(random) : mixSeed(BigInt(seed));
  return {
    temperature: temperature < GREEDY_BELOW_TEMPERATURE ? 0 : temperature,
    topP: Math.max(fields.top_p ?? 1, TOP_P_MIN),
    topK: fields.top_k ?? 0,
    seedLow: Number(bits & 0xffff_ffffn),
    seedHigh: Number(bits >> 32n),
  };
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
