// Middleware around every route: gives the request its id and puts the headers on the answer that every answer
// has, errors and streams included.
import { newId } from "@fairlane/base";
import { createMiddleware } from "hono/factory";
import { rateLimitHeaders } from "../admission/rate-limit-headers.ts";
import type { EdgeDependencies, EdgeEnv } from "../edge-context.ts";
import { CLIENT_REQUEST_ID_CHARS_MAX } from "../limits.ts";

const VISIBLE_ASCII = /^[\x21-\x7e]+$/;

/** The client's own id of the request, or undefined when it is not fit to be sent back. */
function clientRequestId(headers: Headers): string | undefined {
  const id = headers.get("x-client-request-id");
  if (id === null || id.length > CLIENT_REQUEST_ID_CHARS_MAX) return undefined;
  return VISIBLE_ASCII.test(id) ? id : undefined;
}

export function responseHead(deps: EdgeDependencies) {
  return createMiddleware<EdgeEnv>(async (context, next) => {
    const startedMs = deps.clock.nowMs();
    const requestId = newId("req", deps.clock, deps.random);
    context.set("startedMs", startedMs);
    context.set("requestId", requestId);
    context.set("rates", null);
    context.set("grant", null);
    context.set("idempotency", null);

    await next();

    const headers = context.res.headers;
    headers.set("x-request-id", requestId);
    headers.set("openai-version", "2020-10-01");
    headers.set("openai-processing-ms", String(deps.clock.nowMs() - startedMs));
    const echo = clientRequestId(context.req.raw.headers);
    if (echo !== undefined) headers.set("x-client-request-id", echo);
    const rates = context.get("rates");
    if (rates === null) return;
    for (const [name, value] of rateLimitHeaders(rates)) headers.set(name, value);
  });
}
