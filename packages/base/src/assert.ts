// Owns the one way to state a programmer error. Operating errors are values or AppErrors, never asserts.

/** Thrown for a broken invariant: a bug, never a user's mistake. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** Throws AssertionError when `condition` is false. The message carries values, never secrets or prompt text. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}
