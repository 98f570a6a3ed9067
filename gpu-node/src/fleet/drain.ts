// Owns the wait of a node that goes down: running requests get a bounded time to end and their usage a bounded time to
// be acknowledged. What is left then is cancelled, and its usage stays in the journal for the next start.
import type { ErrorValue } from "@fairlane/protocol";

export interface DrainParts {
  readonly liveCount: () => number;
  readonly cancelAll: (error: ErrorValue) => void;
  /** Usage records that a connected hub has not acknowledged; 0 without a link. */
  readonly unackedRecords: () => number;
  readonly timeoutMs: number;
}

/** After a cancel requests end within two steps; a stuck step must not hold the drain. */
const CANCEL_TIMEOUT_MS = 5_000;
const ACK_TIMEOUT_MS = 2_000;
const LOOK_EVERY_MS = 20;

/** Waits until everything has ended, by itself or by force; true when nothing had to be cancelled. */
export async function drainRequests(parts: DrainParts): Promise<boolean> {
  const isClean = await until(() => parts.liveCount() === 0, parts.timeoutMs);
  if (!isClean) {
    const message = "The node went down before the request had ended.";
    parts.cancelAll({ code: "draining", message, param: null });
    await until(() => parts.liveCount() === 0, CANCEL_TIMEOUT_MS);
  }
  await until(() => parts.unackedRecords() === 0, ACK_TIMEOUT_MS);
  return isClean;
}

async function until(isDone: () => boolean, timeoutMs: number): Promise<boolean> {
  const looks = Math.ceil(timeoutMs / LOOK_EVERY_MS);
  for (let look = 0; look < looks && !isDone(); look++) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  return isDone();
}
