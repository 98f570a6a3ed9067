// Owns the one log line of a failure: structured, with the request id, and without anything a client or an
// exception's message may have put in (prompt text, keys): only the kind of the error and where it was thrown.

const STACK_LINES_MAX = 8;

/** Logs that `event` happened to a request. */
export function logFailure(event: string, requestId: string, error: unknown): void {
  const name = error instanceof Error ? error.name : typeof error;
  // The first lines of a stack repeat the message; frames start with "at".
  const frames = (error instanceof Error ? (error.stack ?? "") : "")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line.startsWith("at "))
    .slice(0, STACK_LINES_MAX);
  console.error(JSON.stringify({ level: "error", event, request_id: requestId, name, frames }));
}
