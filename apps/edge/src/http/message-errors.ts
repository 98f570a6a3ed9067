// Middleware of the Messages API: errors in Anthropic's shape, whoever made them, and the request's id under the name
// that its clients read.
import { isErrorCode, messageErrorBody, type ErrorBody } from "@fairlane/protocol";
import { createMiddleware } from "hono/factory";
import type { EdgeEnv } from "../edge-context.ts";

export function messageErrors() {
  return createMiddleware<EdgeEnv>(async (context, next) => {
    await next();
    const requestId = context.get("requestId");
    const { res } = context;
    if (!res.ok) {
      const { error } = await res.json<ErrorBody>();
      const code = isErrorCode(error.code) ? error.code : "internal_error";
      const value = { code, message: error.message, param: error.param };
      const { status, headers } = res;
      // Set first to nothing: Hono would merge the headers of both.
      context.res = undefined;
      context.res = Response.json(messageErrorBody(value, requestId), { status, headers });
    }
    context.res.headers.set("request-id", requestId);
  });
}
