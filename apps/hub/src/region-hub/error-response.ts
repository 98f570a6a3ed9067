// Owns the HTTP answer of an error, to a request that came by fetch.
import { errorBody, errorHead, type ErrorValue } from "@fairlane/protocol";

/** OpenAI's shape, with the status and headers that the error's code has. */
export function errorResponse(error: ErrorValue): Response {
  const { status, headers } = errorHead(error);
  return Response.json(errorBody(error), { status, headers });
}
