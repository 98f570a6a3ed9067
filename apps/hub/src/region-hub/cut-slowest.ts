// Owns the choice of whom to cut when all streams together hold too many unread bytes. Pure.
import type { LiveRequest } from "./live-request.ts";

/** The requests with the most unread bytes, as few as free `excessBytes`. */
export function cutSlowest(
  live: readonly LiveRequest[],
  excessBytes: number,
): readonly LiveRequest[] {
  const slowestFirst = live
    .map((request) => ({ request, bytes: request.sink.bufferedBytes }))
    .sort((left, right) => right.bytes - left.bytes);
  const cut: LiveRequest[] = [];
  let freedBytes = 0;
  for (const { request, bytes } of slowestFirst) {
    if (freedBytes >= excessBytes) break;
    cut.push(request);
    freedBytes += bytes;
  }
  return cut;
}
