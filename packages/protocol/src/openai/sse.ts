// Owns the framing of server-sent events. Pure text; the writers turn it into bytes.

/** Headers of every event stream. */
export const SSE_HEADERS = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache",
  "x-accel-buffering": "no",
} as const;

export const SSE_DONE = "data: [DONE]\n\n";
/** A comment that keeps the connection alive and makes a lost client noticeable. */
export const SSE_KEEP_ALIVE = ": hb\n\n";

/** One event with a JSON payload; `id` is the token index that Last-Event-ID continues from. */
export function sseEvent(
  data: object,
  options: { readonly id?: number; readonly event?: string } = {},
): string {
  const event = options.event === undefined ? "" : `event: ${options.event}\n`;
  const id = options.id === undefined ? "" : `id: ${options.id}\n`;
  return `${event}${id}data: ${JSON.stringify(data)}\n\n`;
}
