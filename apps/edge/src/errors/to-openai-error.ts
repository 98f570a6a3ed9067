// The one mapper of the edge from errors to HTTP answers in OpenAI's shape. An AppError says itself what the
// client may know; anything else is a bug: the client gets the request id, the log gets the place.
import { AppError, errorBody, errorHead, type ErrorValue } from "@fairlane/protocol";
import type { EdgeContext } from "../edge-context.ts";
import { RETRY_AFTER_MS } from "../limits.ts";
import { isStorageFailure } from "./is-storage-failure.ts";
import { logFailure } from "./log-failure.ts";

/** The answer for an operating error. */
export function errorResponse(value: ErrorValue): Response {
  const { status, headers } = errorHead(value);
  return new Response(JSON.stringify(errorBody(value)), { status, headers });
}

/** What was thrown, as an operating error. */
export function toErrorValue(error: unknown, requestId: string): ErrorValue {
  if (error instanceof AppError) return error.value;
  if (isStorageFailure(error)) {
    logFailure("storage_failed", requestId, error);
    const message = "A database cannot be asked at the moment; try again.";
    return { code: "storage_unavailable", message, param: null, retryAfterMs: RETRY_AFTER_MS };
  }
  logFailure("unhandled_exception", requestId, error);
  const message = `The server failed to process the request. It is logged under ${requestId}.`;
  return { code: "internal_error", message, param: null };
}

/** For app.onError. */
export function onError(error: unknown, context: EdgeContext): Response {
  return errorResponse(toErrorValue(error, context.get("requestId")));
}

/** For app.notFound. */
export function notFound(context: EdgeContext): Response {
  const message = `Unknown request URL: ${context.req.method} ${context.req.path}. Check the path for typos.`;
  return errorResponse({ code: "not_found", message, param: null });
}
