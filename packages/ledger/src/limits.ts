// Owns the bounds of money arithmetic and of the reservation book.

/** Money of one counter or entry, nano-USD: the largest integer that JSON, SQLite and JavaScript agree on. */
export const NANO_USD_MAX = Number.MAX_SAFE_INTEGER;
/** Price of a million tokens, nano-USD: 9,000 USD, far above any model, so that a mistyped price is refused. */
export const PRICE_NANO_USD_MAX = 9_000_000_000_000;
/** Tokens of one record: above any context, low enough that arithmetic on sums stays exact. */
export const RECORD_TOKENS_MAX = 1_000_000_000;
