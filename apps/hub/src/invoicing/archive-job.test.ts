// The archive over real D1 and R2: what leaves the ledger can be read in the bucket, sums stay as they were, and a run that is
// cut off anywhere is made good by the next one.
import { units } from "@fairlane/base";
import {
  appendLedgerEntries,
  costsOf,
  finalizeInvoice,
  ledgerSums,
  makeDraft,
  openControlDb,
  openLedgerDb,
  usageTotals,
  voidInvoice,
  type ArchivedEntry,
  type InvoiceRow,
} from "@fairlane/db";
import type { LedgerEntry } from "@fairlane/ledger";
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { uniqueId } from "../../test/hub-request.ts";
import { accountOf } from "../../test/usage.ts";
import type { HubEnv } from "../env.ts";
import { archive } from "./archive-job.ts";

const control = openControlDb(env.CONTROL_DB);
const ledger = openLedgerDb(env.LEDGER_DB);
const DAY_MS = 24 * 3_600_000;
/** 2026-01-01 and the month after. */
const JANUARY_MS = 1_767_225_600_000;
const FEBRUARY_MS = 1_769_904_000_000;
const FINAL_MS = FEBRUARY_MS + DAY_MS;
const DUE_MS = FINAL_MS + 90 * DAY_MS + 1;

function entryOf(tenantId: string, index: number): LedgerEntry {
  return {
    ...{ requestId: `req_${tenantId}_${index}`, attempt: 1, entrySeq: index % 4 === 3 ? 1 : 0 },
    ...{ tenantId, projectId: "prj_a", keyId: `key_${index % 2}`, nodeId: "node-a", epoch: 1 },
    ...{ model: "m", priceVersion: "plan_a", finishReason: "stop", promptTokens: 4 },
    ...{ computedPromptTokens: 3, computedCachedTokens: 1, computedOutputTokens: 2 },
    ...{ billedPromptTokens: 3, billedCachedTokens: 1, billedOutputTokens: 2 },
    ...{ billedNanoUsd: units.nanoUsd(100 + index), fault: null, estimated: index % 4 === 3 },
    ...{ receivedAtMs: 1, queueMs: 0, ttftMs: null },
    // Not in the order of arrival.
    endedAtMs: JANUARY_MS + ((index * 7) % 5) * 1_800_000,
  };
}

/** A tenant with entries of January on a final invoice, and one of February that is not. */
async function invoiced(count: number): Promise<{ tenantId: string; invoice: InvoiceRow }> {
  const tenantId = uniqueId("ten");
  await env.CONTROL_DB.prepare(
    `INSERT INTO tenants (id, name, status, weight, requests_per_minute, tokens_per_minute, parallel_requests,
       price_version_id, created_at_ms)
     SELECT ?, 'a tenant', 'active', 1, 1, 1, 1, id, 1 FROM price_versions LIMIT 1`,
  )
    .bind(tenantId)
    .run();
  const entries = Array.from({ length: count }, (_, index) => entryOf(tenantId, index));
  const other = { ...entryOf(tenantId, count), endedAtMs: FEBRUARY_MS };
  await appendLedgerEntries(ledger, [...entries, other]);
  const period = { startMs: JANUARY_MS, endMs: FEBRUARY_MS };
  const input = { tenantId, period, newId: uniqueId("inv"), nowMs: FINAL_MS };
  const draft = await makeDraft({ control, ledger }, input);
  if (draft.kind !== "made") throw new Error(draft.kind);
  const { invoice } = await finalizeInvoice(control, draft.invoice, FINAL_MS);
  if (invoice?.status !== "final") throw new Error("not final");
  return { tenantId, invoice };
}

/** Everything that is answered about a tenant's usage. */
async function answersOf(tenantId: string) {
  const span = { fromMs: JANUARY_MS, toMs: FEBRUARY_MS + DAY_MS, bucketMs: 3_600_000 };
  return {
    totals: await usageTotals(ledger, tenantId),
    sums: await ledgerSums(ledger, tenantId),
    byKey: await costsOf(ledger, tenantId, { ...span, groupBy: "key" }),
    byDay: await costsOf(ledger, tenantId, { ...span, bucketMs: DAY_MS }),
  };
}

const leftOf = (tenantId: string) =>
  env.LEDGER_DB.prepare("SELECT count(*) AS n FROM ledger_entries WHERE tenant_id = ?")
    .bind(tenantId)
    .first("n");

async function archivedAt(id: string): Promise<unknown> {
  const sql = "SELECT archived_at_ms AS at FROM invoices WHERE id = ?";
  return env.CONTROL_DB.prepare(sql).bind(id).first("at");
}

/** The entries that the manifest leads to, in their order. */
async function readBack(tenantId: string, invoiceId: string): Promise<readonly ArchivedEntry[]> {
  const folder = `ledger-archive/${tenantId}/${invoiceId}`;
  const manifest = await env.ARTIFACTS.get(`${folder}/manifest.json`);
  const { parts } = (await manifest?.json<{
    parts: { objectKey: string; entries: number }[];
  }>()) ?? {
    parts: [],
  };
  const texts = await Promise.all(
    parts.map(async ({ objectKey }) => {
      const object = await env.ARTIFACTS.get(objectKey);
      if (!object) throw new Error(`${objectKey} is missing`);
      return new Response(object.body.pipeThrough(new DecompressionStream("gzip"))).text();
    }),
  );
  return texts.flatMap((text) =>
    text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as ArchivedEntry),
  );
}

/** An environment that dies at one of its calls to the bucket and the databases, hence after the one before. */
function dyingEnv(deadly: number): { env: HubEnv; calls: () => number } {
  let calls = 0;
  const guarded = <T extends object>(target: T, names: readonly string[]): T =>
    new Proxy(target, {
      get(of, name) {
        const member: unknown = Reflect.get(of, name);
        if (typeof member !== "function") return member;
        if (!names.includes(String(name))) return member.bind(of) as unknown;
        return (...args: unknown[]) => {
          if (++calls === deadly) throw new Error("died");
          return member.apply(of, args) as unknown;
        };
      },
    });
  const guardedEnv = {
    ...env,
    ARTIFACTS: guarded(env.ARTIFACTS, ["put", "get"]),
    LEDGER_DB: guarded(env.LEDGER_DB, ["batch"]),
    CONTROL_DB: guarded(env.CONTROL_DB, ["prepare"]),
  };
  return { env: guardedEnv, calls: () => calls };
}

describe("the archive", () => {
  it("takes a final invoice's entries out of the ledger when its time has come, and changes no answer", async () => {
    const { tenantId, invoice } = await invoiced(7);
    const before = await answersOf(tenantId);
    const early = await archive(env, DUE_MS - 2, 3);
    expect(early.figures).toMatchObject({ partCount: 0 });
    expect(await leftOf(tenantId)).toBe(8);
    const done = await archive(env, DUE_MS, 3);
    expect(done).toEqual({
      isComplete: true,
      figures: { invoiceCount: 1, partCount: 3, entryCount: 7, heldCount: 0 },
    });
    expect([await leftOf(tenantId), await archivedAt(invoice.id)]).toEqual([1, DUE_MS]);
    expect(await answersOf(tenantId)).toEqual(before);
    const entries = await readBack(tenantId, invoice.id);
    expect(entries.map(({ requestId }) => requestId).toSorted()).toEqual(
      Array.from({ length: 7 }, (_, index) => `req_${tenantId}_${index}`),
    );
    expect(entries.find(({ requestId }) => requestId.endsWith("_3"))).toMatchObject({
      ...{ entrySeq: 1, estimated: true, billedNanoUsd: 103, creditNanoUsd: 0, keyId: "key_1" },
    });
    // What is archived cannot become void, and what is not archived cannot go.
    const change = { reason: "wrong", nowMs: 1 };
    expect(await voidInvoice(control, invoice, change)).toMatchObject({ isDone: false });
    const removal = env.LEDGER_DB.prepare("DELETE FROM ledger_entries WHERE tenant_id = ?");
    await expect(removal.bind(tenantId).run()).rejects.toThrow("the ledger is append-only");
  });

  it("holds an invoice whose entries are not what it says, and one whose account has usage of its time", async () => {
    const { tenantId, invoice } = await invoiced(2);
    const waiting = JSON.stringify([{ endedAtMs: FEBRUARY_MS - 1 }]);
    const onOutbox = (sql: string, ...values: string[]) =>
      runInDurableObject(accountOf(tenantId), (_, { storage }) => {
        storage.sql.exec(sql, ...values);
      });
    await onOutbox("INSERT INTO outbox (entry_count, entries) VALUES (1, ?)", waiting);
    expect((await archive(env, DUE_MS, 3)).figures).toMatchObject({ heldCount: 1, partCount: 0 });
    await onOutbox("DELETE FROM outbox");
    await env.LEDGER_DB.prepare(
      `INSERT INTO ledger_entries (position, ${COLUMNS}) SELECT 0, ${COLUMNS.replace("request_id", "'req_stray'")}
       FROM ledger_entries WHERE tenant_id = ? LIMIT 1`,
    )
      .bind(tenantId)
      .run();
    expect((await archive(env, DUE_MS, 3)).figures).toMatchObject({ heldCount: 1, partCount: 0 });
    expect([await leftOf(tenantId), await archivedAt(invoice.id)]).toEqual([4, null]);
    await voidInvoice(control, invoice, { reason: "wrong", nowMs: 1 });
  });

  it("is made good by the next run wherever one was cut off, and by one beside it", async () => {
    // Two parts of three calls, the manifest, and three statements of the control database.
    const CALLS = 10;
    for (let deadly = 1; deadly <= CALLS; deadly++) {
      const { tenantId, invoice } = await invoiced(4);
      const before = await answersOf(tenantId);
      await expect(archive(dyingEnv(deadly).env, DUE_MS, 2)).rejects.toThrow();
      expect(await archivedAt(invoice.id)).toBeNull();
      expect(await usageTotals(ledger, tenantId)).toEqual(before.totals);
      await archive(env, DUE_MS, 2);
      expect([await leftOf(tenantId), await archivedAt(invoice.id)]).toEqual([1, DUE_MS]);
      expect(await answersOf(tenantId)).toEqual(before);
      const read = await readBack(tenantId, invoice.id);
      expect(new Set(read.map(({ requestId }) => requestId)).size).toBe(4);
      expect(read).toHaveLength(4);
    }
    await invoiced(4);
    const undying = dyingEnv(0);
    await archive(undying.env, DUE_MS, 2);
    expect(undying.calls()).toBe(CALLS);
    const { tenantId, invoice } = await invoiced(6);
    const before = await answersOf(tenantId);
    await Promise.allSettled([archive(env, DUE_MS, 2), archive(env, DUE_MS, 2)]);
    await archive(env, DUE_MS, 2);
    expect(await answersOf(tenantId)).toEqual(before);
    expect(await readBack(tenantId, invoice.id)).toHaveLength(6);
  }, 60_000);
});

const COLUMNS = `request_id, attempt, entry_seq, tenant_id, project_id, key_id, node_id, epoch, model, price_version,
  finish_reason, prompt_tokens, computed_prompt_tokens, computed_cached_tokens, computed_output_tokens,
  billed_prompt_tokens, billed_cached_tokens, billed_output_tokens, billed_nano_usd, received_at_ms, queue_ms, ended_at_ms`;
