// Owns what is shown of an invoice: as JSON, and as CSV with a row for each line. Amounts are integer nano-USD, the total
// is in cents; where an entry stands in the ledger is the operator's to see.
import type { InvoiceRow } from "@fairlane/db";
import type { InvoiceLine } from "@fairlane/ledger";
import { csvAnswer, csvField } from "./csv-field.ts";

/** `2026-10`. */
export function monthName(monthMs: number): string {
  return new Date(monthMs).toISOString().slice(0, 7);
}

/** An invoice without its lines. */
export function invoiceBody(invoice: InvoiceRow, isOperator: boolean) {
  return {
    object: "fairlane.invoice",
    id: invoice.id,
    tenant_id: invoice.tenantId,
    period: monthName(invoice.periodStartMs),
    status: invoice.status,
    number: invoice.number,
    replaces: invoice.replacesId,
    currency: "usd",
    total_cents: invoice.totalCents,
    usage_nano_usd: invoice.usageNanoUsd,
    credit_nano_usd: invoice.creditNanoUsd,
    adjustments_nano_usd: invoice.adjustmentsNanoUsd,
    rounding_nano_usd: invoice.roundingNanoUsd,
    entries: invoice.entries,
    faulty_entries: invoice.faultyEntries,
    made_at_ms: invoice.madeAtMs,
    finalized_at_ms: invoice.finalizedAtMs,
    voided_at_ms: invoice.voidedAtMs,
    void_reason: invoice.voidReason,
    archived_at_ms: invoice.archivedAtMs,
    ...(isOperator ? { revision: invoice.revision, ledger_watermark: invoice.toPosition } : {}),
  };
}

export function lineBody(line: InvoiceLine) {
  const { kind, amountNanoUsd } = line;
  const amount = { kind, amount_nano_usd: amountNanoUsd };
  if (line.kind === "adjustment") {
    return { ...amount, adjustment_id: line.adjustmentId, reason: line.reason };
  }
  if (!("model" in line)) return amount;
  const { price } = line;
  return {
    ...amount,
    period: monthName(line.monthMs),
    project_id: line.projectId,
    model: line.model,
    price_class: line.priceClass,
    price_version: line.priceVersion,
    price: price && {
      input_nano_usd_per_million: price.inputNanoUsdPerMillion,
      cached_input_nano_usd_per_million: price.cachedInputNanoUsdPerMillion,
      output_nano_usd_per_million: price.outputNanoUsdPerMillion,
      percent: price.percent,
    },
    requests: line.requests,
    entries: line.entries,
    prompt_tokens: line.promptTokens,
    cached_tokens: line.cachedTokens,
    output_tokens: line.outputTokens,
  };
}

const CSV_HEAD =
  "kind,period,project,model,price_class,price_version,requests,prompt_tokens,cached_tokens,output_tokens,amount_nano_usd,text";

/** The invoice's lines, the rounding among them, so that the amounts sum up to the total. */
export function invoiceCsv(invoice: InvoiceRow, lines: readonly InvoiceLine[]): Response {
  const rows = lines.map((line) => {
    if (!("model" in line)) {
      const text = line.kind === "adjustment" ? csvField(line.reason) : "";
      return [line.kind, ...Array<string>(9).fill(""), line.amountNanoUsd, text].join(",");
    }
    const { requests, promptTokens, cachedTokens, outputTokens, amountNanoUsd } = line;
    const what = [line.projectId, line.model, line.priceClass, line.priceVersion].map(csvField);
    const counts = [requests, promptTokens, cachedTokens, outputTokens, amountNanoUsd];
    return [line.kind, monthName(line.monthMs), ...what, ...counts, ""].join(",");
  });
  const name = invoice.number === null ? "draft" : String(invoice.number);
  return csvAnswer([CSV_HEAD, ...rows], `invoice-${name}.csv`);
}
