// Owns which handler answers a path and method, and the one place where a thrown error becomes an HTTP answer.
import { AppError } from "@fairlane/protocol";
import { faultFields, type Log } from "../log.ts";
import { sendError, type Exchange } from "./exchange.ts";

/** Answers an exchange; `argument` is what stood for `*` in the route's path. */
export type Handler = (exchange: Exchange, argument: string) => void | Promise<void>;

export interface Route {
  readonly method: "GET" | "POST";
  /** A path, or a path that ends in `*` for one more segment. */
  readonly path: string;
  readonly handler: Handler;
}

/** Finds the route and runs it; every error is answered, none is thrown. */
export async function route(exchange: Exchange, routes: readonly Route[], log: Log): Promise<void> {
  try {
    const { handler, argument } = match(exchange, routes);
    await handler(exchange, argument);
  } catch (error) {
    answerError(exchange, error, log);
  }
}

function match(
  exchange: Exchange,
  routes: readonly Route[],
): { handler: Handler; argument: string } {
  const { path, request } = exchange;
  const onPath = routes.filter((one) => argumentOf(one.path, path) !== undefined);
  if (onPath.length === 0) {
    throw new AppError(
      "not_found",
      `Unknown request URL: ${methodOf(exchange)} ${path.slice(0, 256)}.`,
    );
  }
  const method = request.method === "HEAD" ? "GET" : request.method;
  const found = onPath.find((one) => one.method === method);
  if (!found) {
    const allowed = onPath.map((one) => one.method).join(", ");
    exchange.response.setHeader("allow", allowed);
    throw new AppError(
      "method_not_allowed",
      `Not allowed to ${methodOf(exchange)} on ${path}; allowed: ${allowed}.`,
    );
  }
  return { handler: found.handler, argument: argumentOf(found.path, path) ?? "" };
}

function argumentOf(pattern: string, path: string): string | undefined {
  if (!pattern.endsWith("*")) return pattern === path ? "" : undefined;
  const prefix = pattern.slice(0, -1);
  if (!path.startsWith(prefix) || path.length === prefix.length) return undefined;
  try {
    return decodeURIComponent(path.slice(prefix.length));
  } catch {
    return undefined;
  }
}

function methodOf({ request }: Exchange): string {
  return request.method ?? "";
}

function answerError(exchange: Exchange, error: unknown, log: Log): void {
  const { request, response, requestId } = exchange;
  // What is left of the body is read and dropped, within the request timeout, so that the client can read why.
  if (!request.complete) request.resume();
  if (error instanceof AppError) return sendError(exchange, error.value);
  if (response.destroyed || request.socket.destroyed) return;
  log.error("http_handler_failed", { requestId, ...faultFields(error) });
  const message = "The server had an error while processing your request.";
  sendError(exchange, { code: "internal_error", message, param: null });
}
