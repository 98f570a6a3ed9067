// Owns the error of a model that cannot be fetched: a sentence for a person, with what to do about it.

export class FetchError extends Error {
  override readonly name = "FetchError";
}

/** What went wrong, fit for a sentence: no credentials of a URL, one line, not too long. */
export function fetchProblem(thrown: unknown): string {
  const cause = thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : undefined;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const text = cause ? `${message} (${cause.message})` : message;
  const line = text
    .replaceAll(/\/\/[^/\s@]+@/g, "//")
    .replaceAll(/\s+/g, " ")
    .trim();
  return line.length > 400 ? `${line.slice(0, 400)}...` : line;
}
