// Owns every bound of the fairness counters, with unit and reason.

/** A weight is an integer from 1 to this: remainders of a division by it stay far below 2^53. */
export const WEIGHT_MAX = 1_000_000;
/** Tokens of one request, prompt and output each: products of two lengths stay exact in the profiled cost. */
export const REQUEST_TOKENS_MAX = 1 << 19;
/** Weighted service units at which all counters of a group are lowered alike: far from where integers end. */
export const RENORMALISE_AT_UNITS = 2 ** 52;
/** Clients of one group whose counters are kept, idle debtors included: some 64 MB of them. */
export const CLIENTS_MAX = 1 << 18;
/** Clients looked at for garbage at a time, and arrivals and ends between two looks: a microsecond now and then. */
export const SWEEP_CLIENT_COUNT = 128;
export const SWEEP_EVENT_COUNT = 32;
/** Clients of an idle client that are looked at to forget all of them at once. */
export const FORGET_CLIENTS_MAX = 8;
/** Clients that may be passed over in one pick, within the slack: a pick stays some microseconds. */
export const SKIPPED_CLIENTS_MAX = 16;
/** Waiting requests that are compared by their cached prefix in one pick of the deficit order. */
export const PREFIX_CANDIDATES_MAX = 64;
/** Clients whose mean output length is remembered; the one unused for longest is forgotten first. */
export const PREDICTED_CLIENTS_MAX = 1 << 16;
/** Requests a minute that the rate limit of the baseline may allow a client; as many times are kept. */
export const REQUESTS_PER_MINUTE_MAX = 10_000;
