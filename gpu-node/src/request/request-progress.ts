// Owns what the main thread is told about a request that ran or ended, derived from the request's state alone.
import type { RequestProgress } from "../engine/worker-messages.ts";
import type { EndedRequest, RunningRequest } from "./request.ts";
import { countsOf } from "./request-counts.ts";

/** The message to the main thread about a request that ran or ended. */
export function progressOf(
  request: RunningRequest | EndedRequest,
  newTokens: readonly number[],
): RequestProgress {
  const { scheduledAtMs, spec } = request;
  const requestId = spec.requestId;
  return { requestId, newTokens, counts: countsOf(request), scheduledAtMs, end: endOf(request) };
}

function endOf(request: RunningRequest | EndedRequest): RequestProgress["end"] {
  switch (request.state) {
    case "prefilling":
    case "decoding":
      return null;
    case "finished":
      return { reason: request.reason, error: null };
    case "aborted":
      return { reason: request.error === null ? "cancelled" : "error", error: request.error };
  }
}
