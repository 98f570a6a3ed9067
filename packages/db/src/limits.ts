// Owns the bounds of the D1 queries.

/** Models priced in one version: the version travels to TenantAccount in one call, a row is about 100 bytes. */
export const MODEL_PRICES_MAX = 1_000;
/** Entries appended in one statement: about 600 bytes each as JSON, so a batch stays far below D1's 2 MB. */
export const LEDGER_BATCH_ENTRIES_MAX = 512;
/** Entries read in one query: a page of a usage view. */
export const LEDGER_PAGE_ENTRIES_MAX = 1_000;
/** Rows of service joined in one statement: about 250 bytes each as JSON. */
export const FAIR_ROWS_MAX = 512;
/** Rows of service read in one query. */
export const FAIR_PAGE_ROWS_MAX = 4_096;
