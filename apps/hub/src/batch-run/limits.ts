// Owns the bounds of batches in the hub, each with its unit and reason.

/** Lines of a batch, as OpenAI has. */
export const BATCH_LINES_MAX = 50_000;
/** Lines that run at once: with several batches a node's queue at the lowest tier stays short. */
export const BATCH_ROUND_ROWS = 32;
/** Characters of new lines in one round, beyond which it takes no more: an object has 128 MB. */
export const BATCH_ROUND_CHARS = 8 * 1024 * 1024;
/** Characters of one line's result: a row of an object's storage has at most 2 MB. */
export const BATCH_RESULT_CHARS_MAX = 600_000;
/** Results read at once for a file. */
export const BATCH_PAGE_ROWS = 16;
/** Time that one line may take at a node; an alarm may run for 15 minutes. */
export const BATCH_LINE_MS = 10 * 60_000;
/** A hold outlives its deadline by this much, so that a usage record on its way still finds it. */
export const BATCH_HOLD_EXTRA_MS = 30_000;
/** Tries of a line whose node was lost while it answered: each is computed and billed. */
export const BATCH_TRIES_MAX = 3;
/** Least pause before a line is tried again. */
export const BATCH_RETRY_MS = 1_000;
/** Pause between two rounds: lets other events of the object pass. */
export const BATCH_PAUSE_MS = 1;
