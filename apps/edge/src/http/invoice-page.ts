// Owns an invoice as a page to read, print and keep as PDF: complete in itself, without scripts, fonts or anything from
// elsewhere, under a policy that allows none of them. Whatever a person has entered is escaped.
import type { InvoiceRow } from "@fairlane/db";
import type { InvoiceLine } from "@fairlane/ledger";
import { escapeHtml } from "./escape-html.ts";
import { monthName } from "./invoice-views.ts";

const HEADERS = {
  "content-type": "text/html; charset=utf-8",
  "content-security-policy":
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cache-control": "no-store",
};

const STYLE = `
body{font:14px/1.45 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}
h1{font-size:1.6rem;margin-bottom:.2rem}
table{border-collapse:collapse;width:100%;margin-top:1.2rem}
td,th{border-bottom:1px solid #ddd;padding:.3rem .5rem;text-align:left;vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
tfoot td{font-weight:600;border-top:2px solid #1a1a1a}
.state{display:inline-block;border:2px solid;padding:0 .5rem;font-weight:700;text-transform:uppercase}
@page{size:A4;margin:16mm}
@media print{body{margin:0;padding:0;max-width:none;font-size:10pt}thead{display:table-header-group}tr{break-inside:avoid}}`;

/** The page of an invoice. @param tenantName as it is now */
export function invoicePage(
  invoice: InvoiceRow,
  lines: readonly InvoiceLine[],
  tenantName: string,
): Response {
  const { number, status, periodStartMs, finalizedAtMs, voidReason } = invoice;
  const title = number === null ? "Draft of an invoice" : `Invoice ${number}`;
  const state = status === "final" ? "" : `<p><span class="state">${status}</span></p>`;
  const issued = finalizedAtMs === null ? "not issued" : dayOf(finalizedAtMs);
  const why = voidReason === null ? "" : `<p>Void because: ${escapeHtml(voidReason)}</p>`;
  const replaces = invoice.replacesId === null ? "" : `<br>Replaces: ${invoice.replacesId}`;
  const page = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${title}</title>
<meta name="viewport" content="width=device-width,initial-scale=1"><style>${STYLE}</style></head><body>
<h1>${title}</h1>${state}${why}
<p>For: ${escapeHtml(tenantName)} (${escapeHtml(invoice.tenantId)})<br>Month: ${monthName(periodStartMs)} (UTC)<br>
Issued: ${issued}<br>Reference: ${invoice.id}${replaces}</p>
<table><thead><tr><th>Month</th><th>Item</th><th class="n">Requests</th><th class="n">Prompt tokens</th>
<th class="n">Cached</th><th class="n">Output</th><th class="n">Amount, USD</th></tr></thead>
<tbody>${lines.map(rowOf).join("\n")}</tbody>
<tfoot><tr><td colspan="6">Total</td><td class="n">${usdOfCents(invoice.totalCents)}</td></tr></tfoot></table>
<p>Amounts are exact to the nano-USD and rounded once, on the total. Each line of usage is the sum of the ledger entries of
its month, project, model, price class and price version.</p></body></html>`;
  return new Response(page, { headers: HEADERS });
}

function rowOf(line: InvoiceLine): string {
  const amount = `<td class="n">${usdOfNano(line.amountNanoUsd)}</td>`;
  if (!("model" in line)) {
    return `<tr><td></td><td colspan="5">${escapeHtml(textOf(line))}</td>${amount}</tr>`;
  }
  const late = line.kind === "late" ? ", arrived late" : "";
  const price = line.price;
  const rates =
    price === null
      ? "no price"
      : `${[
          price.inputNanoUsdPerMillion,
          price.cachedInputNanoUsdPerMillion,
          price.outputNanoUsdPerMillion,
        ]
          .map(usdOfNano)
          .join(" / ")} USD per million, ${price.percent} %`;
  const item = `${line.model}, project ${line.projectId}${late}`;
  const terms = `${line.priceVersion}: ${rates}`;
  const { requests, promptTokens, cachedTokens, outputTokens } = line;
  const counts = [requests, promptTokens, cachedTokens, outputTokens]
    .map((count) => `<td class="n">${count.toLocaleString("en-US")}</td>`)
    .join("");
  return `<tr><td>${monthName(line.monthMs)}</td><td>${escapeHtml(item)}<br><small>${escapeHtml(terms)}</small></td>${counts}${amount}</tr>`;
}

function textOf(line: Exclude<InvoiceLine, { readonly model: string }>): string {
  if (line.kind === "adjustment") return `Adjustment: ${line.reason}`;
  return line.kind === "credit" ? "Covered by credit" : "Rounding to cents";
}

function dayOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}

/** To the nano-USD, with two decimals at least. */
function usdOfNano(nanoUsd: number): string {
  return decimal(nanoUsd, 9).replace(/(\.\d\d\d*?)0+$/, "$1");
}

function usdOfCents(cents: number): string {
  return decimal(cents, 2);
}

/** An integer as a decimal number, exactly. */
function decimal(amount: number, places: number): string {
  const digits = String(Math.abs(amount)).padStart(places + 1, "0");
  const whole = Number(digits.slice(0, -places)).toLocaleString("en-US");
  return `${amount < 0 ? "-" : ""}${whole}.${digits.slice(-places)}`;
}
