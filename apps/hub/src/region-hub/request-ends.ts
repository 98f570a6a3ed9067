// Owns when a request ends besides its node's word, and what was served until then.
import type { DoneFrame, ErrorValue, TokenCounts } from "@fairlane/protocol";
import { RETRY_AFTER_MS } from "../limits.ts";
import type { LiveRequest } from "./live-request.ts";
import { deadlinePassed } from "./request-errors.ts";
import { upstreamError } from "./node-errors.ts";

/** What was served of a request so far. */
export function countsOf(live: LiveRequest | undefined): TokenCounts {
  const placement = live?.placement.state === "answering" ? live.placement : undefined;
  return {
    promptTokens: placement?.promptTokens ?? 0,
    cachedTokens: 0,
    outputTokens: placement?.outputTokens ?? 0,
  };
}

/** What the node says of an answer that it ended. */
export function countsOfDone({ usage }: DoneFrame): TokenCounts {
  return {
    promptTokens: usage.prompt_tokens,
    cachedTokens: usage.cached_tokens,
    outputTokens: usage.completion_tokens,
  };
}

/** The error of a request whose time is over, if it is. One that waits for a lost node is lostNodeIsDue's. */
export function timeoutOf(live: LiveRequest, nowMs: number): ErrorValue | undefined {
  if (nowMs >= live.deadlineMs) return deadlinePassed();
  if (live.placement.state === "answering" || nowMs < live.placement.untilMs) return undefined;
  if (live.placement.state === "submitted") {
    return upstreamError("The node did not say whether it takes the request.");
  }
  const message = "No node linked in time.";
  return { code: "no_capacity", message, param: null, retryAfterMs: RETRY_AFTER_MS };
}

/** True once a lost node has had its time to come back. */
export function lostNodeIsDue({ placement }: LiveRequest, nowMs: number): boolean {
  return placement.state === "answering" && nowMs >= (placement.lostUntilMs ?? Infinity);
}
