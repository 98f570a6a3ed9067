// Owns the arithmetic of an invoice: its lines from sums of ledger entries and from adjustments, what credit covered,
// and one rounding of the total to cents, which is a line of its own. Invariant: the lines' amounts sum up to the total
// in whole cents, exactly.
import { err, ok, type Result } from "@fairlane/base";
import type { ModelPrice } from "@fairlane/protocol";
import { NANO_USD_MAX } from "./limits.ts";

/** What requests are priced as: at the list's prices, or at a batch's percentage of them. */
export type PriceClass = "standard" | "batch";

/** Sums over entries of one project, model, price version, class and month. */
export interface UsageSum {
  /** When the entries' requests ended: the month's first millisecond, UTC. */
  readonly monthMs: number;
  readonly projectId: string;
  readonly model: string;
  readonly priceClass: PriceClass;
  readonly priceVersion: string;
  readonly requests: number;
  readonly entries: number;
  /** Of them: billed nothing because their usage could not be priced. */
  readonly faultyEntries: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
  readonly billedNanoUsd: number;
  readonly creditNanoUsd: number;
}

/** A debit (above 0) or a credit (below) that an operator made, with its reason. */
export interface Adjustment {
  readonly id: string;
  readonly amountNanoUsd: number;
  readonly reason: string;
}

interface UsageLine extends UsageSum {
  /** `late`: of a month before the invoice's, arrived after that one was cut. */
  readonly kind: "usage" | "late";
  /** What the version says of the model; null where it is not known. */
  readonly price: (ModelPrice & { readonly percent: number }) | null;
}

export type InvoiceLine = { readonly amountNanoUsd: number } & (
  | UsageLine
  | { readonly kind: "adjustment"; readonly adjustmentId: string; readonly reason: string }
  | { readonly kind: "credit" | "rounding" }
);

export interface Invoice {
  readonly lines: readonly InvoiceLine[];
  readonly entries: number;
  readonly faultyEntries: number;
  /** Billed by the entries: what the ledger has, to the nano-USD. */
  readonly usageNanoUsd: number;
  /** Of it: covered by credit. */
  readonly creditNanoUsd: number;
  readonly adjustmentsNanoUsd: number;
  readonly roundingNanoUsd: number;
  /** What is to be paid; below 0 in the tenant's favour. */
  readonly totalCents: number;
}

const NANO_USD_PER_CENT = 10_000_000n;

/**
 * The invoice of a month. An amount that no safe integer holds is an error.
 * @param input sums in the order in which their lines shall stand
 */
export function makeInvoice(input: {
  readonly monthMs: number;
  readonly sums: readonly UsageSum[];
  readonly adjustments: readonly Adjustment[];
  readonly priceOf: (sum: UsageSum) => UsageLine["price"];
}): Result<Invoice, "amount_overflow"> {
  const { monthMs, sums, adjustments, priceOf } = input;
  const usageNanoUsd = sumOf(sums, ({ billedNanoUsd }) => billedNanoUsd);
  const creditNanoUsd = sumOf(sums, (sum) => sum.creditNanoUsd);
  const adjustmentsNanoUsd = sumOf(adjustments, ({ amountNanoUsd }) => amountNanoUsd);
  const exactNanoUsd = usageNanoUsd - creditNanoUsd + adjustmentsNanoUsd;
  const totalCents = roundToCents(exactNanoUsd);
  const totalNanoUsd = totalCents * NANO_USD_PER_CENT;
  const amounts = [usageNanoUsd, creditNanoUsd, adjustmentsNanoUsd, exactNanoUsd, totalNanoUsd];
  if (!amounts.every(isSafe)) return err("amount_overflow");
  const roundingNanoUsd = Number(totalNanoUsd - exactNanoUsd);
  const lines: InvoiceLine[] = [
    ...sums.map((sum): InvoiceLine => {
      const kind = sum.monthMs < monthMs ? "late" : "usage";
      return { ...sum, kind, price: priceOf(sum), amountNanoUsd: sum.billedNanoUsd };
    }),
    ...adjustments.map(({ id, reason, amountNanoUsd }): InvoiceLine => {
      return { kind: "adjustment", adjustmentId: id, reason, amountNanoUsd };
    }),
  ];
  if (creditNanoUsd > 0n) lines.push({ kind: "credit", amountNanoUsd: -Number(creditNanoUsd) });
  if (roundingNanoUsd !== 0) lines.push({ kind: "rounding", amountNanoUsd: roundingNanoUsd });
  return ok({
    lines,
    entries: Number(sumOf(sums, ({ entries }) => entries)),
    faultyEntries: Number(sumOf(sums, ({ faultyEntries }) => faultyEntries)),
    usageNanoUsd: Number(usageNanoUsd),
    creditNanoUsd: Number(creditNanoUsd),
    adjustmentsNanoUsd: Number(adjustmentsNanoUsd),
    roundingNanoUsd,
    totalCents: Number(totalCents),
  });
}

/** The only rounding to cents: to the nearest one, halves up. */
function roundToCents(nanoUsd: bigint): bigint {
  const shifted = nanoUsd + NANO_USD_PER_CENT / 2n;
  const cents = shifted / NANO_USD_PER_CENT;
  // BigInt divides towards zero.
  return shifted < 0n && shifted % NANO_USD_PER_CENT !== 0n ? cents - 1n : cents;
}

function sumOf<T>(rows: readonly T[], numberOf: (row: T) => number): bigint {
  return rows.reduce((sum, row) => sum + BigInt(numberOf(row)), 0n);
}

function isSafe(amount: bigint): boolean {
  const max = BigInt(NANO_USD_MAX);
  return amount <= max && amount >= -max;
}
