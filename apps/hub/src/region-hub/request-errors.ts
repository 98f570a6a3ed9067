// Owns the errors with which the hub itself ends a request.
import type { ErrorValue } from "@fairlane/protocol";
import { RETRY_AFTER_MS } from "../limits.ts";
import { upstreamError } from "./node-errors.ts";

/** The shard takes nothing more. */
export function shardFull(): ErrorValue {
  const message = "The region's hub has as many requests as it may.";
  return { code: "overloaded", message, param: null, retryAfterMs: RETRY_AFTER_MS };
}

export function keyRevoked(): ErrorValue {
  return { code: "invalid_api_key", message: "The API key was revoked.", param: null };
}

export function tenantSuspended(): ErrorValue {
  return { code: "tenant_suspended", message: "The account is suspended.", param: null };
}

export function deadlinePassed(): ErrorValue {
  const message = "The request's deadline passed before its answer was complete.";
  return { code: "queue_timeout", message, param: null };
}

/** What the client of a lost node gets after its first token. */
export function nodeLost(): ErrorValue {
  return upstreamError("The node was lost while it answered.");
}
