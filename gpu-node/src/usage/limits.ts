// Owns every bound of the usage journal and its report, with unit and reason.

/** Records not yet acknowledged before the node takes no more billed work: days of an unreachable hub. */
export const UNACKED_RECORDS_MAX = 500_000;
/** Journal size before the node takes no more billed work; a record takes about 300 bytes. */
export const JOURNAL_SOFT_BYTES_MAX = 1024 * 1024 * 1024;
/** Journal size that SQLite itself refuses to pass; leaves what is running room to be recorded. */
export const JOURNAL_HARD_BYTES_MAX = 2 * JOURNAL_SOFT_BYTES_MAX;
/** Acknowledged records kept for comparing node and ledger: about 3 MB. */
export const ACKED_RECORDS_KEPT_MAX = 10_000;
/** Newly acknowledged records between two prunings, so that pruning costs nothing per acknowledgement. */
export const PRUNE_EVERY_RECORDS = 1_000;
/** Bytes of the write-ahead log that stay on disk after a checkpoint. */
export const WAL_KEPT_BYTES_MAX = 16 * 1024 * 1024;
/** Commits between two looks at the file's size: bounds the growth that can go unseen. */
export const SIZE_CHECK_COMMITS = 64;
/** Wait for an acknowledgement before records are sent again; a hub commits in milliseconds. */
export const ACK_TIMEOUT_MS = 5_000;
