// Owns telling a database that cannot be asked, an operating error, from a statement that is wrong, a bug.

/** True when D1 failed to answer; false for a broken constraint and for everything that is not D1's. */
export function isStorageFailure(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  // The query builder wraps what D1 threw.
  const inner = error.cause instanceof Error ? error.cause : error;
  return inner.message.startsWith("D1_") && !inner.message.includes("SQLITE_");
}
