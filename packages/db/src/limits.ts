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
/** Bytes of one retained text: the largest request body and the longest answer together. */
export const RETAINED_BYTES_MAX = 8 * 1024 * 1024;
/** The longest time that text is kept: 30 days, as OpenAI keeps stored responses. */
export const RETAINED_TTL_MS_MAX = 30 * 24 * 3_600_000;
/** Names in one page of a sweep: R2's own bound, and that of one deletion. */
export const SWEEP_PAGE_ENTRIES_MAX = 1_000;
/** Pages of one sweep: two operations each, so that a sweep stays within a minute. */
export const SWEEP_PAGES_MAX = 256;
/** Keys read in one query: a page of about 100 KB with full lists, and the one that tells of more. */
export const KEYS_PAGE_MAX = 101;
/** Entries of the audit log read in one query: a page, and the one that tells of more. */
export const AUDIT_PAGE_ENTRIES_MAX = 101;
/** Characters of an entry's details: three full lists of a key's terms. */
export const AUDIT_DETAILS_CHARS_MAX = 65_536;
/** Rows of one answer about costs: about 150 bytes each as JSON. */
export const COST_ROWS_MAX = 10_000;
/** Members and projects read in one query: a page, and the one that tells of more. */
export const MEMBERS_PAGE_MAX = 101;
export const PROJECTS_PAGE_MAX = 101;
/** Scheduled jobs that are read: the list in the hub has a handful. */
export const JOBS_MAX = 100;
/** Files taken out in one statement: below D1's 100 parameters. */
export const FILES_DROPPED_MAX = 64;
/** Journals whose entries are summed in one query, the newest. */
export const LEDGER_SOURCES_MAX = 4_096;
/** Tenants in a page of reconciliations, and the one that tells of more. */
export const RECONCILIATIONS_PAGE_MAX = 101;
/** Lines of usage on an invoice: projects x models x price versions; about 500 bytes each as JSON. */
export const INVOICE_SUMS_MAX = 4_000;
/** Lines written in one statement: 0.5 MB, below D1's 2 MB of a value. */
export const INVOICE_LINES_PER_STATEMENT_MAX = 1_000;
/** Adjustments of a tenant that wait for an invoice, and of one answer. */
export const OPEN_ADJUSTMENTS_MAX = 500;
/** All lines of an invoice: usage, adjustments, credit and rounding. */
export const INVOICE_LINES_MAX = INVOICE_SUMS_MAX + OPEN_ADJUSTMENTS_MAX + 2;
/** Invoices read in one query: a page, and the one that tells of more. */
export const INVOICES_PAGE_MAX = 101;
/** Tenants asked about in one query: their ids are 30 KB. */
export const DUE_TENANTS_PER_PAGE_MAX = 1_000;
/** Entries read for one delivery to a billing system: about 600 bytes each. */
export const FEED_ROWS_MAX = 100;
/** Entries of the audit log whose details are taken out in one statement. */
export const ERASED_AUDIT_ROWS_MAX = 1_000;
/** Rows of an export that are read in one query: about 1 KB each. */
export const EXPORT_PAGE_ROWS = 500;
