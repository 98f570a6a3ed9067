// Invoices through the edge script, from a ledger that the test wrote: what an operator does with them and what a tenant sees.
import { units } from "@fairlane/base";
import { appendLedgerEntries, openLedgerDb } from "@fairlane/db";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { asAdmin, codeOf, newKey, newTenant, send } from "../../test/live-edge.ts";

const MONTH = "2026-03";
/** 2026-03-01. */
const MONTH_MS = 1_772_323_200_000;

interface InvoiceJson {
  readonly id: string;
  readonly status: string;
  readonly number: number | null;
  readonly total_cents: number;
  readonly entries: number;
  readonly replaces: string | null;
  readonly lines: readonly Record<string, unknown>[];
}

async function tenantWithUsage(amounts: readonly number[]) {
  const made = await newTenant({ name: `<script>alert("&")</script>` });
  const { tenantId, projectId, keyId } = made;
  const add = (billedNanoUsd: number, endedAtMs: number, model = `<b>"model"</b>`) =>
    appendLedgerEntries(openLedgerDb(env.LEDGER_DB), [
      {
        ...{ requestId: `req_${crypto.randomUUID()}`, attempt: 1, entrySeq: 0 },
        ...{ tenantId, projectId, keyId, nodeId: "node-a", epoch: 1, model },
        ...{ priceVersion: "plan_a", finishReason: "stop" as const, promptTokens: 7 },
        ...{ computedPromptTokens: 4, computedCachedTokens: 3, computedOutputTokens: 2 },
        ...{ billedPromptTokens: 4, billedCachedTokens: 3, billedOutputTokens: 2 },
        ...{ billedNanoUsd: units.nanoUsd(billedNanoUsd), fault: null, estimated: false },
        ...{ receivedAtMs: 1, queueMs: 0, ttftMs: null, endedAtMs },
      },
    ]);
  for (const amount of amounts) await add(amount, MONTH_MS + amount);
  const { key } = await newKey(tenantId, { scopes: ["invoices:read"] });
  const at = `/tenants/${tenantId}`;
  const step = async (path: string, body: object) =>
    (await asAdmin("POST", `${at}${path}`, body)).json<InvoiceJson>();
  const draft = (period = MONTH) => step("/invoices", { period });
  const finalize = (id: string) => step(`/invoices/${id}/finalize`, {});
  return { ...made, at, key, add, step, draft, finalize };
}

const OWN = "/v1/fairlane/invoices";

describe("an operator", () => {
  it("makes a draft again until it is final, once whoever asks, and numbers go up", async () => {
    const { at, add, draft, finalize } = await tenantWithUsage([12_000_000]);
    const first = await draft();
    expect(first).toMatchObject({ status: "draft", number: null, entries: 1, total_cents: 1 });
    await add(4_000_000, MONTH_MS + 5);
    const late = await asAdmin("POST", `${at}/invoices/${first.id}/finalize`, {});
    expect([late.status, await codeOf(late)]).toEqual([409, "invoice_stale"]);
    expect(await draft()).toMatchObject({ id: first.id, revision: 2, entries: 2, total_cents: 2 });
    const both = await Promise.all([finalize(first.id), finalize(first.id)]);
    expect(both[0]).toMatchObject({ status: "final", total_cents: 2 });
    expect(both[1]).toEqual(both[0]);
    expect(await finalize(first.id)).toEqual(both[0]);
    const again = await asAdmin("POST", `${at}/invoices`, { period: MONTH });
    expect([again.status, await codeOf(again)]).toEqual([409, "invoice_state_conflict"]);
    // What comes afterwards is on the next one, as late.
    await add(30_000_000, MONTH_MS + 9);
    const next = await draft("2026-04");
    expect(next).toMatchObject({ entries: 1, total_cents: 3 });
    const { number } = await finalize(next.id);
    expect(number).toBeGreaterThan(both[0].number ?? 0);
    const read = await asAdmin("GET", `${at}/invoices/${next.id}`);
    expect((await read.json<InvoiceJson>()).lines).toMatchObject([
      { kind: "late", period: MONTH, amount_nano_usd: 30_000_000 },
    ]);
  });

  it("replaces a void invoice with the same entries, corrected by an adjustment", async () => {
    const { at, add, step, draft, finalize } = await tenantWithUsage([50_000_000]);
    const wrong = await finalize((await draft()).id);
    const voided = await step(`/invoices/${wrong.id}/void`, { reason: "the price was wrong" });
    expect(voided).toMatchObject({ status: "void", number: wrong.number, total_cents: 5 });
    await add(1, MONTH_MS);
    const adjustment = { id: "fix-1", amount_nano_usd: -20_000_000, reason: "price corrected" };
    expect(await step("/adjustments", adjustment)).toMatchObject({ invoice_id: null });
    const known = await asAdmin("POST", `${at}/adjustments`, adjustment);
    expect([known.status, await codeOf(known)]).toEqual([409, "already_exists"]);
    const right = await finalize((await draft()).id);
    expect(right).toMatchObject({ replaces: wrong.id, entries: 1, total_cents: 3 });
    const listed = await asAdmin("GET", `${at}/adjustments`);
    expect(await listed.json()).toMatchObject({ data: [{ id: "fix-1", invoice_id: right.id }] });
  });

  it("waits for the month to end, and for usage that the account has and the ledger not", async () => {
    const { at, tenantId, projectId, keyId, draft } = await tenantWithUsage([1]);
    const now = new Date().toISOString().slice(0, 7);
    const open = await draft(now);
    const early = await asAdmin("POST", `${at}/invoices/${open.id}/finalize`, {});
    expect([early.status, await codeOf(early)]).toEqual([409, "invoice_period_open"]);
    const { id } = await draft();
    // A record that the intake has and the account not: of a node with a gap before it.
    const record = {
      ...{ tenant_id: tenantId, seq: 1, request_id: `req_${tenantId}`, attempt: 1 },
      ...{ project_id: projectId, key_id: keyId, model: "m", price_version: "plan_a" },
      ...{ final: true, finish_reason: "stop" as const, prompt_tokens: 1, cached_tokens: 0 },
      ...{ computed_prompt_tokens: 1, output_tokens: 1, received_at_ms: 1, queue_ms: 0 },
      ...{ ttft_ms: null, ended_at_ms: MONTH_MS + 1 },
    };
    const account = env.TENANT_ACCOUNT.getByName(tenantId);
    await account.settleMany({ nodeId: "node-late", epoch: 1, records: [record] });
    const path = `${at}/invoices/${id}/finalize`;
    const waiting = await asAdmin("POST", path, {});
    expect(["invoice_period_open", "invoice_stale"]).toContain(await codeOf(waiting));
    await expect.poll(async () => codeOf(await asAdmin("POST", path, {}))).toBe("invoice_stale");
    await draft();
    expect((await asAdmin("POST", path, { despite_waiting: "the node is gone" })).status).toBe(200);
  });

  it.each([
    ["/invoices", { period: "2026-13" }],
    ["/invoices", { period: "2099-01" }],
    ["/adjustments", { id: "a", amount_nano_usd: 0, reason: "x" }],
    ["/adjustments", { id: "a", amount_nano_usd: 1, reason: " " }],
    ["/adjustments", { id: "a", amount_nano_usd: 1, reason: "x".repeat(501) }],
    ["/adjustments", { id: "a", amount_nano_usd: 2_000_000_000_000_000, reason: "x" }],
  ])("is refused %s %j", async (path, body) => {
    const { tenantId } = await newTenant();
    expect((await asAdmin("POST", `/tenants/${tenantId}${path}`, body)).status).toBe(400);
  });
});

describe("a tenant", () => {
  it("sees what is final or void, never a draft or anything of another's", async () => {
    const { key, draft, finalize } = await tenantWithUsage([20_000_000]);
    const { id } = await draft();
    const get = (path: string, credential = key) => send("GET", path, { credential });
    const list = async () => (await (await get(OWN)).json<{ data: InvoiceJson[] }>()).data;
    expect(await list()).toEqual([]);
    expect((await get(`${OWN}/${id}`)).status).toBe(404);
    await finalize(id);
    const [listed] = await list();
    expect(listed).toMatchObject({ id, status: "final", total_cents: 2, period: MONTH });
    expect(listed).not.toHaveProperty("ledger_watermark");
    const other = await tenantWithUsage([]);
    expect((await get(`${OWN}/${id}`, other.key)).status).toBe(404);
    expect((await get(`${OWN}/${id}`)).status).toBe(200);
    expect((await get(`${OWN}/inv_1`)).status).toBe(404);
  });

  it("gets CSV that no spreadsheet computes and a page that runs nothing", async () => {
    const { key, at, projectId, step, draft, finalize } = await tenantWithUsage([15_600]);
    await step("/adjustments", { id: "a", amount_nano_usd: 1_000, reason: '=1+1, "<img>"' });
    const { id, number } = await finalize((await draft()).id);
    const get = (format: string) =>
      send("GET", `${OWN}/${id}?format=${format}`, { credential: key });
    const csv = await get("csv");
    expect(csv.headers.get("content-type")).toBe("text/csv; charset=utf-8");
    expect(csv.headers.get("content-disposition")).toContain(`invoice-${number}.csv`);
    expect((await csv.text()).split("\r\n")).toEqual([
      "kind,period,project,model,price_class,price_version,requests,prompt_tokens,cached_tokens,output_tokens,amount_nano_usd,text",
      `usage,${MONTH},${projectId},"<b>""model""</b>",standard,plan_a,1,4,3,2,15600,`,
      `adjustment,,,,,,,,,,1000,"'=1+1, ""<img>"""`,
      "rounding,,,,,,,,,,-16600,",
      "",
    ]);
    const html = await get("html");
    expect(html.headers.get("content-type")).toBe("text/html; charset=utf-8");
    const policy = html.headers.get("content-security-policy");
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain("script");
    const page = await html.text();
    for (const text of ["<script", "<b>", "<img", 'alert("']) expect(page).not.toContain(text);
    for (const text of [`<h1>Invoice ${number}</h1>`, "&#60;b&#62;", "0.0000156", "-0.0000166"]) {
      expect(page).toContain(text);
    }
    expect((await get("pdf")).status).toBe(400);
    await step(`/invoices/${id}/void`, { reason: "<i>" });
    const voided = await (await asAdmin("GET", `${at}/invoices/${id}?format=html`)).text();
    expect(voided).toContain("Void because: &#60;i&#62;");
  });
});
