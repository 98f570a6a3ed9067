// Owns making a month's draft: which entries it takes, its lines from the ledger and the open adjustments, and writing
// them in place of an earlier draft's, all or nothing. Invariant: a draft takes what no numbered invoice has taken, or
// exactly what the void invoice had that it replaces.
import {
  makeInvoice,
  nextCut,
  priceOf,
  type Invoice,
  type InvoiceCut,
  type UsageSum,
} from "@fairlane/ledger";
import type { AccountPrices } from "@fairlane/protocol";
import { eq, sql } from "drizzle-orm";
import type { ControlDb, LedgerDb } from "../client.ts";
import { INVOICE_LINES_PER_STATEMENT_MAX } from "../limits.ts";
import { findPrices } from "../prices.ts";
import { invoiceLines, invoices } from "../schema/control/invoices.ts";
import { statementOf } from "../statement.ts";
import { openAdjustments } from "./adjustments.ts";
import { newestPosition, usageOfCut } from "./invoice-usage.ts";
import { invoicesOfMonth, newestNumbered } from "./invoice-chain.ts";
import { cutOf, findInvoice, type InvoiceRow } from "./invoices.ts";

export interface DraftInput {
  readonly tenantId: string;
  /** The month, its end excluded. */
  readonly period: { readonly startMs: number; readonly endMs: number };
  /** Of a new draft; one that is there keeps its own. */
  readonly newId: string;
  readonly nowMs: number;
}

export type DraftOutcome =
  | { readonly kind: "made"; readonly invoice: InvoiceRow }
  /** The month has a final invoice, or a later month has a numbered one. */
  | { readonly kind: "frozen" }
  /** More lines than an invoice has, or an amount that no safe integer holds. */
  | { readonly kind: "too_large" };

interface Plan {
  readonly cut: InvoiceCut;
  readonly replacesId: string | null;
  readonly draft: InvoiceRow | undefined;
}

/** Makes the draft of a month, or makes it again. */
export async function makeDraft(
  dbs: { readonly control: ControlDb; readonly ledger: LedgerDb },
  input: DraftInput,
): Promise<DraftOutcome> {
  const { control, ledger } = dbs;
  const { tenantId, period } = input;
  const plan = await planDraft(dbs, input);
  if (!plan) return { kind: "frozen" };
  const sums = await usageOfCut(ledger, tenantId, plan.cut);
  const adjustments = await openAdjustments(control, tenantId);
  if (!sums) return { kind: "too_large" };
  const prices = await pricesOf(control, sums);
  const made = makeInvoice({
    monthMs: period.startMs,
    sums,
    adjustments,
    priceOf: (sum) => linePrice(prices, sum),
  });
  if (!made.ok) return { kind: "too_large" };
  return writeDraft(control, { input, plan, made: made.value });
}

async function planDraft(
  { control, ledger }: { readonly control: ControlDb; readonly ledger: LedgerDb },
  { tenantId, period }: DraftInput,
): Promise<Plan | undefined> {
  const ofMonth = await invoicesOfMonth(control, tenantId, period.startMs);
  if (ofMonth.some(({ status }) => status === "final")) return undefined;
  const draft = ofMonth.find(({ status }) => status === "draft");
  const replaced = ofMonth.find(({ status }) => status === "void");
  if (replaced) return { cut: cutOf(replaced), replacesId: replaced.id, draft };
  const before = await newestNumbered(control, tenantId);
  if (before && before.periodStartMs > period.startMs) return undefined;
  const wanted = { toEndedMs: period.endMs, newestPosition: await newestPosition(ledger) };
  return { cut: nextCut(before && cutOf(before), wanted), replacesId: null, draft };
}

async function pricesOf(
  control: ControlDb,
  sums: readonly UsageSum[],
): Promise<ReadonlyMap<string, AccountPrices>> {
  const known = new Map<string, AccountPrices>();
  for (const version of new Set(sums.map(({ priceVersion }) => priceVersion))) {
    const prices = await findPrices(control, version);
    if (prices) known.set(version, prices);
  }
  return known;
}

const WHOLE_PERCENT = 100;

function linePrice(known: ReadonlyMap<string, AccountPrices>, sum: UsageSum) {
  const prices = known.get(sum.priceVersion);
  const price = prices && priceOf(prices, sum.model);
  if (!price) return null;
  const percent =
    sum.priceClass === "batch" ? (prices.batchPercent ?? WHOLE_PERCENT) : WHOLE_PERCENT;
  return { ...price, percent };
}

async function writeDraft(
  control: ControlDb,
  {
    input,
    plan,
    made,
  }: { readonly input: DraftInput; readonly plan: Plan; readonly made: Invoice },
): Promise<DraftOutcome> {
  const { tenantId, period, nowMs } = input;
  const { draft, replacesId, cut } = plan;
  const { lines, ...sums } = made;
  const id = draft?.id ?? input.newId;
  const content = { replacesId, ...cut, ...sums, madeAtMs: nowMs };
  const write = draft
    ? control
        .update(invoices)
        .set({ ...content, revision: sql`${invoices.revision} + 1` })
        .where(eq(invoices.id, id))
    : control.insert(invoices).values({
        ...{ id, tenantId, periodStartMs: period.startMs, status: "draft", revision: 1 },
        ...content,
      });
  const inserts = chunked(lines, INVOICE_LINES_PER_STATEMENT_MAX).map((chunk, index) => {
    const first = index * INVOICE_LINES_PER_STATEMENT_MAX;
    return statementOf(
      control,
      sql`INSERT INTO invoice_lines (invoice_id, line, adjustment_id, content)
          SELECT ${id}, key + ${first}, json_extract(value, '$.adjustmentId'), value
          FROM json_each(${JSON.stringify(chunk)})`,
    );
  });
  try {
    const clear = control.delete(invoiceLines).where(eq(invoiceLines.invoiceId, id));
    await control.$client.batch([
      statementOf(control, write),
      statementOf(control, clear),
      ...inserts,
    ]);
  } catch (error) {
    // Final, gone or made by somebody else since it was planned? What is there now says which, or that D1 failed.
    const ofMonth = await invoicesOfMonth(control, tenantId, period.startMs);
    const other = ofMonth.find(({ status }) => status === "draft");
    if (other && !draft) return { kind: "made", invoice: other };
    const isFrozen = ofMonth.some(({ status }) => status === "final") || (draft && !other);
    if (isFrozen !== true) throw error;
    return { kind: "frozen" };
  }
  const invoice = await findInvoice(control, tenantId, id);
  return invoice ? { kind: "made", invoice } : { kind: "frozen" };
}

function chunked<T>(rows: readonly T[], size: number): readonly (readonly T[])[] {
  const count = Math.ceil(rows.length / size);
  return Array.from({ length: count }, (_, index) => rows.slice(index * size, (index + 1) * size));
}
