// Invoices over real D1: any sequence of entries, drafts, finals and voids against a naive model that keeps for each entry
// the invoice it is on.
import { units } from "@fairlane/base";
import type { LedgerEntry } from "@fairlane/ledger";
import type { D1Database } from "@cloudflare/workers-types";
import fc from "fast-check";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";
import { readdir, readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AuditEntry } from "../audit-entry.ts";
import { openControlDb, openLedgerDb, type ControlDb, type LedgerDb } from "../client.ts";
import { createPrices } from "../prices.ts";
import { appendLedgerEntries, usageTotals } from "../usage.ts";
import { addAdjustment, openAdjustments } from "./adjustments.ts";
import { dueTenants } from "./due-drafts.ts";
import { finalizeInvoice, voidInvoice } from "./finalize-invoice.ts";
import { usageOfCut } from "./invoice-usage.ts";
import { cutOf, findInvoice, linesOf, listInvoices, type InvoiceRow } from "./invoices.ts";
import { makeDraft, type DraftOutcome } from "./make-draft.ts";

let miniflare: Miniflare;
let d1: D1Database;
let control: ControlDb;
let ledger: LedgerDb;

async function migrate(db: D1Database, folder: string): Promise<void> {
  const migrations = new URL(`../../../../migrations/${folder}/`, import.meta.url);
  const files = (await readdir(migrations)).filter((name) => name.endsWith(".sql")).toSorted();
  for (const file of files) {
    const text = await readFile(new URL(file, migrations), "utf8");
    const statements = text.split("--> statement-breakpoint").filter((part) => part.trim() !== "");
    await db.batch(statements.map((part) => db.prepare(part)));
  }
}

beforeAll(async () => {
  miniflare = new Miniflare(
    convertV4MiniflareOptions({
      modules: true,
      script: "export default { fetch() { return new Response(null); } };",
      compatibilityDate: "2026-11-01",
      d1Databases: { CONTROL_DB: "control", LEDGER_DB: "ledger" },
      cf: false,
    }),
  );
  d1 = await miniflare.getD1Database("CONTROL_DB");
  const ledgerD1 = await miniflare.getD1Database("LEDGER_DB");
  await migrate(d1, "control");
  await migrate(ledgerD1, "ledger");
  control = openControlDb(d1);
  ledger = openLedgerDb(ledgerD1);
  const price = {
    inputNanoUsdPerMillion: 100,
    cachedInputNanoUsdPerMillion: 50,
    outputNanoUsdPerMillion: 400,
  };
  await createPrices(control, { version: PLAN, models: { "*": price }, batchPercent: 50 }, 1);
});

afterAll(() => miniflare.dispose());

const PLAN = "plan_invoices";
/** Three months of 2026, from August on. */
const MONTHS = [
  { startMs: 1_785_542_400_000, endMs: 1_788_220_800_000 },
  { startMs: 1_788_220_800_000, endMs: 1_790_812_800_000 },
  { startMs: 1_790_812_800_000, endMs: 1_793_491_200_000 },
] as const;
const monthOf = (index: number) => MONTHS[index] ?? MONTHS[0];

let lastId = 0;
const newId = (prefix: string) => `${prefix}_${String(++lastId).padStart(26, "0")}`;

async function newTenant(): Promise<string> {
  const tenantId = newId("ten");
  await d1
    .prepare(
      `INSERT INTO tenants (id, name, status, weight, requests_per_minute, tokens_per_minute, parallel_requests,
         price_version_id, created_at_ms) VALUES (?, 'a tenant', 'active', 1, 1, 1, 1, ?, 1)`,
    )
    .bind(tenantId, PLAN)
    .run();
  return tenantId;
}

function entryOf(tenantId: string, change: Partial<LedgerEntry>): LedgerEntry {
  return {
    requestId: newId("req"),
    attempt: 1,
    entrySeq: 0,
    tenantId,
    projectId: "prj_a",
    keyId: "key_a",
    nodeId: "node-a",
    epoch: 1,
    model: "base",
    priceVersion: PLAN,
    finishReason: "stop",
    promptTokens: 10,
    computedPromptTokens: 7,
    computedCachedTokens: 3,
    computedOutputTokens: 2,
    billedPromptTokens: 7,
    billedCachedTokens: 3,
    billedOutputTokens: 2,
    billedNanoUsd: units.nanoUsd(0),
    fault: null,
    estimated: false,
    receivedAtMs: 1,
    queueMs: 0,
    ttftMs: null,
    endedAtMs: monthOf(0).startMs,
    ...change,
  };
}

function draftOf(tenantId: string, month: number): Promise<DraftOutcome> {
  const input = { tenantId, period: monthOf(month), newId: newId("inv"), nowMs: ++lastId };
  return makeDraft({ control, ledger }, input);
}

async function madeDraft(tenantId: string, month: number): Promise<InvoiceRow> {
  const outcome = await draftOf(tenantId, month);
  if (outcome.kind !== "made") throw new Error(outcome.kind);
  return outcome.invoice;
}

async function adjust(tenantId: string, amountNanoUsd: number): Promise<string> {
  const id = newId("adj");
  const row = { tenantId, id, amountNanoUsd, reason: "a reason", requestId: null, createdAtMs: 1 };
  const audit: AuditEntry = {
    id: newId("aud"),
    atMs: 1,
    tenantId,
    actorKind: "operator",
    actorId: "operator",
    action: "invoice.adjusted",
    target: id,
    ip: null,
    requestId: "req",
    details: {},
  };
  expect(await addAdjustment(control, row, audit)).toBe("added");
  expect(await addAdjustment(control, row, audit)).toBe("known");
  return id;
}

interface ModelEntry {
  readonly month: number;
  readonly nanoUsd: number;
  /** Number of the living invoice that it is on. */
  invoice: string | null;
  /** Of an entry of a void invoice: it is for the replacement alone. */
  reserved: string | null;
}

const command = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("entry" as const), month: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("adjust" as const), month: fc.nat(2) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("draft" as const), month: fc.nat(2) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("final" as const), month: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("void" as const), month: fc.nat(2) }) },
);

const steps = (text: string) =>
  text.split(" ").map((step) => {
    const kinds = { e: "entry", a: "adjust", d: "draft", f: "final", v: "void" } as const;
    return { kind: kinds[step[0] as keyof typeof kinds], month: Number(step[1]) };
  });
/** Chance finds these seldom: a draft whose entries, and one whose adjustment, another invoice took meanwhile. */
const EXAMPLES: [ReturnType<typeof steps>][] = [
  [steps("e0 e1 d1 d0 f0 e0 f1 d1 f1 v0 e0 d0 f0 v1 d1 f1")],
  [steps("e0 d0 f0 v0 a0 e1 d0 d1 f1 f0 d0 f0")],
];

/** What a draft may take of the model's entries, in the order in which they came. */
class Naive {
  readonly entries: ModelEntry[] = [];
  readonly invoiceOf = new Map<number, { id: string; status: "final" | "void" }>();
  readonly drafts = new Map<number, { id: string; taken: readonly ModelEntry[] }>();

  isFrozen(month: number): boolean {
    const own = this.invoiceOf.get(month);
    if (own) return own.status === "final";
    return [...this.invoiceOf.keys()].some((other) => other > month);
  }

  taken(month: number): readonly ModelEntry[] {
    const replaced = this.invoiceOf.get(month);
    return replaced
      ? this.entries.filter(({ reserved }) => reserved === replaced.id)
      : this.entries.filter(
          (entry) => entry.month <= month && entry.invoice === null && entry.reserved === null,
        );
  }

  finalize(month: number, draft: { readonly id: string; readonly taken: readonly ModelEntry[] }) {
    for (const entry of draft.taken) Object.assign(entry, { invoice: draft.id, reserved: null });
    this.invoiceOf.set(month, { id: draft.id, status: "final" });
    this.drafts.delete(month);
  }

  void(month: number, id: string) {
    const own = this.entries.filter(({ invoice }) => invoice === id);
    for (const entry of own) Object.assign(entry, { invoice: null, reserved: id });
    this.invoiceOf.set(month, { id, status: "void" });
  }
}

describe("invoices, any sequence of entries, drafts, finals and voids", () => {
  it("have each entry once or not yet, and with what is open they are the ledger", async () => {
    const numbers = async () =>
      (
        await d1.prepare("SELECT number FROM invoices WHERE number > 0 ORDER BY 1").all()
      ).results.map(({ number }) => number);
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 8, maxLength: 20 }), async (commands) => {
        const tenantId = await newTenant();
        const model = new Naive();
        for (const { kind, month } of commands) {
          if (kind === "entry") {
            const nanoUsd = 1 + (++lastId % 97);
            const change = {
              entrySeq: lastId % 3,
              estimated: lastId % 3 === 1,
              billedNanoUsd: units.nanoUsd(nanoUsd),
              endedAtMs: monthOf(month).startMs + (lastId % 1_000),
            };
            await appendLedgerEntries(ledger, [entryOf(tenantId, change)]);
            model.entries.push({ month, nanoUsd, invoice: null, reserved: null });
          } else if (kind === "adjust") {
            await adjust(tenantId, 5 - (++lastId % 11));
          } else if (kind === "draft" || (kind === "final" && !model.drafts.has(month))) {
            const outcome = await draftOf(tenantId, month);
            expect(outcome.kind).toBe(model.isFrozen(month) ? "frozen" : "made");
            if (outcome.kind !== "made") continue;
            const taken = model.taken(month);
            const sum = taken.reduce((total, { nanoUsd }) => total + nanoUsd, 0);
            const { id, entries, usageNanoUsd } = outcome.invoice;
            expect([entries, usageNanoUsd]).toEqual([taken.length, sum]);
            model.drafts.set(month, { id, taken });
          } else if (kind === "final") {
            const draft = model.drafts.get(month);
            const row = draft && (await findInvoice(control, tenantId, draft.id));
            if (!draft || !row) continue;
            const both = await Promise.all([
              finalizeInvoice(control, row, 5),
              finalizeInvoice(control, row, 6),
            ]);
            const isStale = draft.taken.some(({ invoice }) => invoice !== null);
            if (isStale) expect(both.map(({ isDone }) => isDone)).toEqual([false, false]);
            const done = both.filter(({ isDone }) => isDone);
            expect(done.length).toBeLessThanOrEqual(1);
            if (done.length === 0) continue;
            model.finalize(month, draft);
          } else {
            const final = model.invoiceOf.get(month);
            if (final?.status !== "final") continue;
            const change = { reason: "wrong", nowMs: 7 };
            const done = await voidInvoice(control, { id: final.id, tenantId }, change);
            expect(done).toMatchObject({ isDone: true, invoice: { status: "void" } });
            model.void(month, final.id);
          }
        }
        const page = { withDrafts: false, rowsMax: 100 };
        const all = await listInvoices(control, tenantId, page);
        const living = all.filter(({ status }) => status === "final");
        // Each invoice is what the model says, and what the ledger says of its cut at any later time.
        for (const invoice of all) {
          const sums = (await usageOfCut(ledger, tenantId, cutOf(invoice))) ?? [];
          const again = sums.reduce((total, { billedNanoUsd }) => total + billedNanoUsd, 0);
          expect(again).toBe(invoice.usageNanoUsd);
          const lines = await linesOf(control, invoice.id);
          const total = lines.reduce((sum, { amountNanoUsd }) => sum + amountNanoUsd, 0);
          expect(total).toBe(invoice.totalCents * 10_000_000);
        }
        const open = model.entries.filter(({ invoice }) => invoice === null);
        const openNanoUsd = open.reduce((total, { nanoUsd }) => total + nanoUsd, 0);
        const finalNanoUsd = living.reduce((total, { usageNanoUsd }) => total + usageNanoUsd, 0);
        const { costNanoUsd } = await usageTotals(ledger, tenantId);
        expect(finalNanoUsd + openNanoUsd).toBe(costNanoUsd);
        expect(living.map(({ id }) => id).toSorted()).toEqual(
          [...model.invoiceOf.values()]
            .flatMap(({ id, status }) => (status === "final" ? [id] : []))
            .toSorted(),
        );
        // Every adjustment is on one living invoice or waits.
        const adjusted = living.reduce((sum, one) => sum + one.adjustmentsNanoUsd, 0);
        const waiting = (await openAdjustments(control, tenantId)).reduce(
          (sum, { amountNanoUsd }) => sum + amountNanoUsd,
          0,
        );
        const made = await d1
          .prepare(
            "SELECT coalesce(sum(amount_nano_usd), 0) AS n FROM invoice_adjustments WHERE tenant_id = ?",
          )
          .bind(tenantId)
          .first("n");
        expect(adjusted + waiting).toBe(made);
      }),
      { numRuns: 6, examples: EXAMPLES },
    );
    const all = await numbers();
    expect(all).toEqual(all.map((_, index) => index + 1));
    expect(all.length).toBeGreaterThan(3);
  }, 120_000);
});

describe("an invoice", () => {
  it("has a line for each project, model, class and version, late ones with their month, and its prices", async () => {
    const tenantId = await newTenant();
    const batch = `batch_${"0".repeat(26)}-1-0`;
    const billed = (amount: number) => ({ billedNanoUsd: units.nanoUsd(amount) });
    await appendLedgerEntries(ledger, [
      entryOf(tenantId, { ...billed(10), endedAtMs: monthOf(1).startMs }),
      entryOf(tenantId, { ...billed(20), endedAtMs: monthOf(1).endMs - 1 }),
      entryOf(tenantId, { ...billed(3), requestId: batch, endedAtMs: monthOf(1).startMs }),
      entryOf(tenantId, { ...billed(4), creditNanoUsd: units.nanoUsd(4), model: "large" }),
      entryOf(tenantId, { fault: "price_missing", priceVersion: "plan_lost", model: "none" }),
      entryOf(tenantId, { ...billed(99), endedAtMs: monthOf(1).endMs }),
    ]);
    await adjust(tenantId, 19_999_967);
    const invoice = await madeDraft(tenantId, 1);
    expect(invoice).toMatchObject({
      ...{ status: "draft", number: null, entries: 5, faultyEntries: 1 },
      ...{ usageNanoUsd: 37, creditNanoUsd: 4, adjustmentsNanoUsd: 19_999_967 },
      ...{ roundingNanoUsd: 0, totalCents: 2 },
    });
    const tokens = { promptTokens: 7, cachedTokens: 3, outputTokens: 2 };
    const price = { inputNanoUsdPerMillion: 100, outputNanoUsdPerMillion: 400 };
    expect(await linesOf(control, invoice.id)).toMatchObject([
      {
        ...{ kind: "late", monthMs: monthOf(0).startMs, model: "large", amountNanoUsd: 4 },
        ...{ requests: 1, ...tokens },
      },
      { kind: "late", model: "none", amountNanoUsd: 0, faultyEntries: 1, price: null },
      { kind: "usage", priceClass: "batch", amountNanoUsd: 3, price: { ...price, percent: 50 } },
      {
        ...{ kind: "usage", monthMs: monthOf(1).startMs, priceClass: "standard", requests: 2 },
        ...{ promptTokens: 14, cachedTokens: 6, outputTokens: 4, amountNanoUsd: 30 },
        price: { ...price, percent: 100 },
      },
      { kind: "adjustment", reason: "a reason", amountNanoUsd: 19_999_967 },
      { kind: "credit", amountNanoUsd: -4 },
    ]);
  });

  it("stays as it is once it is final, whatever is tried", async () => {
    const tenantId = await newTenant();
    await appendLedgerEntries(ledger, [entryOf(tenantId, { billedNanoUsd: units.nanoUsd(7) })]);
    const draft = await madeDraft(tenantId, 0);
    await finalizeInvoice(control, draft, 5);
    const refused = "a final invoice stays as it is";
    for (const sql of [
      "UPDATE invoices SET total_cents = 1 WHERE id = ?",
      "UPDATE invoices SET status = 'draft' WHERE id = ?",
      "DELETE FROM invoices WHERE id = ?",
      "DELETE FROM invoice_lines WHERE invoice_id = ?",
      "UPDATE invoice_lines SET content = '{}' WHERE invoice_id = ?",
      "INSERT INTO invoice_lines SELECT invoice_id, 9, NULL, content FROM invoice_lines WHERE invoice_id = ?",
    ]) {
      await expect(d1.prepare(sql).bind(draft.id).run()).rejects.toThrow(refused);
    }
    expect((await draftOf(tenantId, 0)).kind).toBe("frozen");
    // A draft that somebody made again in the meantime is not what was seen.
    const seen = await madeDraft(tenantId, 1);
    await draftOf(tenantId, 1);
    expect((await finalizeInvoice(control, seen, 6)).isDone).toBe(false);
  });

  it("is due for tenants with usage of the month or adjustments, until there is one", async () => {
    const [used, adjusted, idle] = [await newTenant(), await newTenant(), await newTenant()];
    await appendLedgerEntries(ledger, [entryOf(used, { endedAtMs: monthOf(2).startMs })]);
    await adjust(adjusted, 5);
    const due = async () =>
      (await dueTenants({ control, ledger }, monthOf(2), "")).tenantIds.filter((id) =>
        [used, adjusted, idle].includes(id),
      );
    expect(await due()).toEqual([used, adjusted]);
    const { id } = await madeDraft(used, 2);
    expect(await due()).toEqual([adjusted]);
    await finalizeInvoice(control, await madeDraft(used, 2), 5);
    await voidInvoice(control, { id, tenantId: used }, { reason: "wrong", nowMs: 6 });
    expect(await due()).toEqual([used, adjusted]);
  });
});
