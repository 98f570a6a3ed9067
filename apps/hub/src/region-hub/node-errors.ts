// Owns how what a node says went wrong becomes the client's error. A newer node may use codes that this hub does
// not know; they become upstream_error and keep their message.
import {
  isErrorCode,
  type DoneFrame,
  type ErrorCode,
  type ErrorValue,
  type RefuseFrame,
} from "@fairlane/protocol";
import { RETRY_AFTER_MS } from "../limits.ts";

// About the node, not about the request: another node may take it. `already_exists`: the node still ends an
// earlier attempt of the same request.
const ELSEWHERE: ReadonlySet<string> = new Set(["draining", "overloaded", "already_exists"]);

/** True when another node may take what this one refused. */
export function mayGoElsewhere(code: string): boolean {
  return ELSEWHERE.has(code);
}

/** The error of a refused request. */
export function refusalError(frame: RefuseFrame): ErrorValue {
  const value = { code: codeOf(frame.code), message: frame.message, param: frame.param };
  const isBusy = ["draining", "overloaded", "adapter_not_ready"].includes(value.code);
  return isBusy ? { ...value, retryAfterMs: RETRY_AFTER_MS } : value;
}

/** The error of an accepted request that its node ended without finishing it. */
export function doneError(frame: DoneFrame): ErrorValue {
  if (frame.error) {
    return { code: codeOf(frame.error.code), message: frame.error.message, param: null };
  }
  return upstreamError("The node stopped the request before its answer was complete.");
}

/** The node was lost or did what the protocol does not allow. */
export function upstreamError(message: string): ErrorValue {
  return { code: "upstream_error", message, param: null };
}

function codeOf(text: string): ErrorCode {
  return isErrorCode(text) && text !== "already_exists" ? text : "upstream_error";
}
