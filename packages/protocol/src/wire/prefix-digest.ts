// Owns the digests by which a hub guesses which node has the beginning of a prompt in its cache: a chain of keyed hashes
// over chunks of the prompt's text, the same at node and hub. A hint only: a wrong one costs time, never correctness, so
// 64 bits that no one has to trust are enough. Keyed by the tenant's salt: two tenants' digests never meet.
import { PREFIX_CHUNK_CHARS, PREFIX_CHUNKS_MAX } from "../limits.ts";

interface PromptBody {
  readonly messages?: unknown;
  readonly tools?: unknown;
  readonly prompt?: unknown;
  readonly input?: unknown;
}

/** The text that a request's digests are made of; equal prompts give equal texts. */
export function prefixText({ tools, messages, prompt, input }: PromptBody): string {
  return JSON.stringify([tools ?? null, messages ?? prompt ?? input ?? null]);
}

/**
 * Digests of the first 1, 2, 3, ... whole chunks of a prompt.
 * @param scope what a cache is kept apart by: the tenant's salt, and the adapter's digest or null
 * @returns 16 hex digits each, at most PREFIX_CHUNKS_MAX; none for a prompt shorter than a chunk
 */
export function prefixDigests(
  scope: { readonly salt: string; readonly adapterDigest: string | null },
  text: string,
): string[] {
  const state = { low: 0x9e3779b9, high: 0x85ebca6b };
  mix(state, scope.salt);
  mix(state, scope.adapterDigest ?? "-");
  const chunkCount = Math.min(PREFIX_CHUNKS_MAX, Math.floor(text.length / PREFIX_CHUNK_CHARS));
  const digests: string[] = [];
  for (let chunk = 0; chunk < chunkCount; chunk++) {
    mix(state, text.slice(chunk * PREFIX_CHUNK_CHARS, (chunk + 1) * PREFIX_CHUNK_CHARS));
    digests.push(hexOf(state.high) + hexOf(state.low));
  }
  return digests;
}

/** Two lanes of multiply and rotate, crossed after each text so that neither stands alone. */
function mix(state: { low: number; high: number }, text: string): void {
  let { low, high } = state;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    low = Math.imul(low ^ unit, 0x01000193);
    high = Math.imul((high << 5) | (high >>> 27), 0x2545f491) ^ unit;
  }
  low = Math.imul(low ^ (low >>> 15) ^ text.length, 0x2c1b3c6d);
  high = Math.imul(high ^ (high >>> 13), 0x297a2d39);
  state.low = (low ^ (high >>> 16)) >>> 0;
  state.high = (high ^ (low >>> 12)) >>> 0;
}

function hexOf(word: number): string {
  return word.toString(16).padStart(8, "0");
}
