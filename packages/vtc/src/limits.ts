// Owns every bound of the fairness counters, with unit and reason.

/** A weight is an integer from 1 to this: remainders of a division by it stay far below 2^53. */
export const WEIGHT_MAX = 1_000_000;
/** Tokens of one request, prompt and output each: products of two lengths stay exact in the profiled cost. */
export const REQUEST_TOKENS_MAX = 1 << 19;
