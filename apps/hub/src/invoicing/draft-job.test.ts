// The month's drafts over the real databases: for whom, when, and once.
import { units } from "@fairlane/base";
import { appendLedgerEntries, openLedgerDb } from "@fairlane/db";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { draftJob } from "./draft-job.ts";

/** 2031-02-01 and an entry of the month before: no other test's. */
const FEBRUARY_MS = 1_927_670_400_000;
const HOUR_MS = 3_600_000;

async function newTenant(id: string): Promise<string> {
  await env.CONTROL_DB.prepare(
    `INSERT INTO tenants (id, name, status, weight, requests_per_minute, tokens_per_minute, parallel_requests,
       price_version_id, created_at_ms)
     SELECT ?, 'a tenant', 'active', 1, 1, 1, 1, id, 1 FROM price_versions LIMIT 1`,
  )
    .bind(id)
    .run();
  return id;
}

function use(tenantId: string, endedAtMs: number): Promise<void> {
  return appendLedgerEntries(openLedgerDb(env.LEDGER_DB), [
    {
      ...{ requestId: `req_${tenantId}`, attempt: 1, entrySeq: 0, tenantId, projectId: "prj_a" },
      ...{ keyId: "key_a", nodeId: "node-a", epoch: 1, model: "m", priceVersion: "plan_a" },
      ...{ finishReason: "stop", promptTokens: 1, computedPromptTokens: 1 },
      ...{ computedCachedTokens: 0, computedOutputTokens: 1, billedPromptTokens: 1 },
      ...{ billedCachedTokens: 0, billedOutputTokens: 1, billedNanoUsd: units.nanoUsd(9) },
      ...{ fault: null, estimated: false, receivedAtMs: 1, queueMs: 0, ttftMs: null, endedAtMs },
    },
  ]);
}

const invoicesOf = async (tenantId: string) =>
  (
    await env.CONTROL_DB.prepare(
      "SELECT status, period_start_ms, usage_nano_usd, revision FROM invoices WHERE tenant_id = ?",
    )
      .bind(tenantId)
      .all()
  ).results;

describe("the job of drafts", () => {
  it("makes one for each tenant with usage of the last month, two hours after its end", async () => {
    const used = await newTenant("ten_used");
    const idle = await newTenant("ten_idle");
    await use(used, FEBRUARY_MS - 1);
    await use(idle, FEBRUARY_MS);
    const early = await draftJob.run(env, FEBRUARY_MS + 2 * HOUR_MS - 1);
    expect(early).toEqual({ isComplete: true, figures: { draftCount: 0, failedCount: 0 } });
    const done = await draftJob.run(env, FEBRUARY_MS + 2 * HOUR_MS);
    expect(done).toEqual({ isComplete: true, figures: { draftCount: 1, failedCount: 0 } });
    // 2031-01-01.
    const draft = { status: "draft", period_start_ms: 1_924_992_000_000, usage_nano_usd: 9 };
    expect(await invoicesOf(used)).toEqual([{ ...draft, revision: 1 }]);
    expect(await invoicesOf(idle)).toEqual([]);
    await draftJob.run(env, FEBRUARY_MS + 3 * HOUR_MS);
    expect(await invoicesOf(used)).toEqual([{ ...draft, revision: 1 }]);
  });

  it("stops at its bound and goes on with the others in the next run", async () => {
    const nowMs = Date.UTC(2031, 4, 2);
    for (let index = 0; index < 52; index++) {
      await use(await newTenant(`ten_many_${index}`), Date.UTC(2031, 3, 9));
    }
    const runs = [await draftJob.run(env, nowMs), await draftJob.run(env, nowMs)];
    expect(runs.map(({ isComplete, figures }) => [isComplete, figures["draftCount"]])).toEqual([
      [false, 50],
      [true, 2],
    ]);
  });
});
