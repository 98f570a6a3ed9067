// Owns the bounds of money arithmetic, of the reservation book and of invoices.

/** Money of one counter or entry, nano-USD: the largest integer that JSON, SQLite and JavaScript agree on. */
export const NANO_USD_MAX = Number.MAX_SAFE_INTEGER;
/** Price of a million tokens, nano-USD: 9,000 USD, far above any model, so that a mistyped price is refused. */
export const PRICE_NANO_USD_MAX = 9_000_000_000_000;
/** Tokens of one record: above any context, low enough that arithmetic on sums stays exact. */
export const RECORD_TOKENS_MAX = 1_000_000_000;
/** How long after a month its invoice may be final: nodes' records, and estimates of lost ones, have an hour to come. */
export const INVOICE_CLOSE_DELAY_MS = 2 * 3_600_000;
