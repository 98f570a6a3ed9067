// Owns the bounds of erasures.

/** Names in one page of an erasure: R2's own bound, and that of one deletion. */
export const ERASED_OBJECTS_MAX = 1_000;
/** Batches whose objects are emptied at once. */
export const ERASED_BATCHES_MAX = 16;
/** Pages of one step of an erasure: two calls of storage each, so that a step stays within a minute. */
export const ERASED_PAGES_MAX = 64;
/** Erasures that one run of the job goes on with. */
export const ERASURES_PER_RUN_MAX = 16;
/** Beyond the time after which lost usage is estimated: leases end, and outboxes are emptied, within minutes. */
export const ERASURE_SETTLED_EXTRA_MS = 600_000;
