// Owns how calls to other objects are bounded in time and how long to pause after a failure.
import { RETRY_FIRST_MS, RETRY_LONGEST_MS } from "./limits.ts";

/** Rejects when `work` takes longer. The work itself goes on; its late result is dropped. */
export async function withTimeout<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | null = null;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/** Pause after this many failures in a row: doubling, bounded. */
export function retryPauseMs(failureCount: number): number {
  return Math.min(RETRY_LONGEST_MS, RETRY_FIRST_MS * 2 ** Math.min(failureCount - 1, 20));
}
