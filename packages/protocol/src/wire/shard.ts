// Owns the rule that gives a request to a shard of its region's hub. Edge and hub must agree on it, so it may
// only change with the wire version.
import { assert } from "@fairlane/base";
import { HUB_SHARDS_MAX } from "../limits.ts";

const encoder = new TextEncoder();

/** The shard of a request: 32-bit FNV-1a over the id's UTF-8 bytes, modulo the number of shards. */
export function shardOf(requestId: string, shardCount: number): number {
  assert(
    Number.isSafeInteger(shardCount) && shardCount >= 1 && shardCount <= HUB_SHARDS_MAX,
    `shard count must be 1 to ${HUB_SHARDS_MAX}, got ${shardCount}`,
  );
  if (shardCount === 1) return 0;
  return fnv1a(encoder.encode(requestId)) % shardCount;
}

/** FNV-1a, 32 bits. */
export function fnv1a(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
