export { billedTokens, ledgerEntry } from "./ledger-entry.ts";
export type { LedgerEntry, LedgerFault } from "./ledger-entry.ts";
export * as ledgerLimits from "./limits.ts";
export { addNanoUsd, costNanoUsd, priceOf } from "./price-list.ts";
export type { PriceFault, TokenSums } from "./price-list.ts";
export { ReservationBook } from "./reservation.ts";
export type { Reservation, ReservationTotals } from "./reservation.ts";
export { applyRecord } from "./usage-attempt.ts";
export type { AttemptFault, UsageAttempt } from "./usage-attempt.ts";
