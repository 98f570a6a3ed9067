// Owns one HTTP request and its answer as the handlers see them: ids, JSON answers, and OpenAI's error shape. Every
// answer carries `x-request-id`. Invariant: an answer's head is written once; later errors go by another way.
import type { IncomingMessage, ServerResponse } from "node:http";
import { errorBody, errorHead, type ErrorValue } from "@fairlane/protocol";
import { CLIENT_REQUEST_ID_CHARS_MAX } from "./limits.ts";

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
  readonly path: string;
}

/** Starts an exchange: sets the headers that every answer has. */
export function beginExchange(
  request: IncomingMessage,
  response: ServerResponse,
  requestId: string,
): Exchange {
  response.setHeader("x-request-id", requestId);
  const clientId = request.headers["x-client-request-id"];
  if (typeof clientId === "string" && isEchoable(clientId)) {
    response.setHeader("x-client-request-id", clientId);
  }
  return { request, response, requestId, path: pathOf(request.url ?? "/") };
}

/** Answers with JSON. */
export function sendJson(exchange: Exchange, status: number, body: object): void {
  sendText(exchange, {
    status,
    type: "application/json; charset=utf-8",
    text: JSON.stringify(body),
  });
}

/** Answers with text of a type. */
export function sendText(
  { response }: Exchange,
  answer: { readonly status: number; readonly type: string; readonly text: string },
): void {
  if (response.headersSent || response.destroyed) return;
  const bytes = Buffer.from(answer.text, "utf8");
  response.writeHead(answer.status, {
    "content-type": answer.type,
    "content-length": bytes.length,
  });
  response.end(bytes);
}

/** Answers with an error, unless an answer has begun. */
export function sendError(exchange: Exchange, error: ErrorValue): void {
  const { response } = exchange;
  if (response.headersSent || response.destroyed) return;
  const { status, headers } = errorHead(error);
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  sendJson(exchange, status, errorBody(error));
}

function isEchoable(text: string): boolean {
  return text.length <= CLIENT_REQUEST_ID_CHARS_MAX && /^[\x21-\x7e]+$/.test(text);
}

function pathOf(url: string): string {
  const end = url.search(/[?#]/);
  return end < 0 ? url : url.slice(0, end);
}
