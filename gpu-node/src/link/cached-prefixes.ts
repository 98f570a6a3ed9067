// Owns what the node tells hubs of its prefix cache: digests of the beginnings of prompts that it took lately, newest first,
// as many as its pool has room for. It does not look into the cache: what was evicted early is a hint that costs a hub
// time, never an answer its correctness.
import { prefixDigests, prefixText, protocolLimits, type SubmitRequest } from "@fairlane/protocol";

/** Characters of a token, roughly: how many chunks the pool has room for. */
const CHARS_PER_TOKEN = 4;

export class CachedPrefixes {
  #entriesMax: number = protocolLimits.HEARTBEAT_PREFIXES_MAX;
  /** Oldest first. */
  readonly #digests = new Set<string>();
  #version = 0;

  /** Keeps as many as a pool of so many tokens has room for. */
  fit(poolTokens: number): void {
    const chunkTokens = protocolLimits.PREFIX_CHUNK_CHARS / CHARS_PER_TOKEN;
    const fitting = Math.floor(poolTokens / chunkTokens);
    this.#entriesMax = Math.min(protocolLimits.HEARTBEAT_PREFIXES_MAX, fitting);
    this.#trim();
  }

  /** Grows whenever `newest` may have changed. */
  get version(): number {
    return this.#version;
  }

  /** The digests, newest first. */
  get newest(): string[] {
    return [...this.#digests].reverse();
  }

  /** Notes a request whose prompt will be computed here, and kept. */
  note({ tenant_salt: salt, adapter, body }: SubmitRequest): void {
    const scope = { salt, adapterDigest: adapter?.digest ?? null };
    const digests = prefixDigests(scope, prefixText(body));
    // The longest first, so that of a prompt the shorter beginnings, which others share, stay longer.
    for (const digest of digests.reverse()) {
      this.#digests.delete(digest);
      this.#digests.add(digest);
    }
    if (digests.length > 0) this.#version += 1;
    this.#trim();
  }

  #trim(): void {
    for (const oldest of this.#digests) {
      if (this.#digests.size <= this.#entriesMax) return;
      this.#digests.delete(oldest);
    }
  }
}
