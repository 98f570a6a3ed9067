// Costs through the edge script, from a ledger that the test wrote.
import { appendLedgerEntries, openLedgerDb } from "@fairlane/db";
import { units } from "@fairlane/base";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { asAdmin, codeOf, newKey, newTenant, send, type TestTenant } from "../../test/live-edge.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** 2026-11-20T00:00:00Z. */
const START_MS = 1_795_132_800_000;

/** Entries of 10, 20, ... nano-USD, one every twelve hours, of two models in turn. */
async function tenantWithEntries(count: number): Promise<TestTenant> {
  const tenant = await newTenant();
  const entries = Array.from({ length: count }, (_, index) => ({
    requestId: `req_${tenant.tenantId}_${index}`,
    attempt: 1,
    entrySeq: 0,
    tenantId: tenant.tenantId,
    projectId: tenant.projectId,
    keyId: tenant.keyId,
    nodeId: "node-a",
    epoch: 1,
    model: index % 2 === 0 ? "small" : '=large, "best"',
    priceVersion: "plan_a",
    finishReason: "stop" as const,
    promptTokens: 7,
    computedPromptTokens: 4,
    computedCachedTokens: 3,
    computedOutputTokens: 2,
    billedPromptTokens: 4,
    billedCachedTokens: 3,
    billedOutputTokens: 2,
    billedNanoUsd: units.nanoUsd(10 * (index + 1)),
    fault: null,
    estimated: false,
    receivedAtMs: 1,
    queueMs: 0,
    ttftMs: null,
    endedAtMs: START_MS + index * 12 * HOUR_MS + 5,
  }));
  await appendLedgerEntries(openLedgerDb(env.LEDGER_DB), entries);
  return tenant;
}

const path = (query: string) => `/v1/fairlane/costs?${query}`;
const SPAN = `from_ms=${START_MS}&to_ms=${START_MS + 2 * DAY_MS}`;

describe("GET /v1/fairlane/costs", () => {
  it("sums by day, within the asked time", async () => {
    const { key, tenantId } = await tenantWithEntries(5);
    const response = await send("GET", path(SPAN), { credential: key });
    expect(await response.json()).toEqual({
      object: "fairlane.costs",
      tenant_id: tenantId,
      bucket: "day",
      group_by: null,
      from_ms: START_MS,
      to_ms: START_MS + 2 * DAY_MS,
      total_nano_usd: 100,
      data: [
        {
          start_ms: START_MS,
          entries: 2,
          prompt_tokens: 8,
          cached_tokens: 6,
          output_tokens: 4,
          cost_nano_usd: 30,
        },
        {
          start_ms: START_MS + DAY_MS,
          entries: 2,
          prompt_tokens: 8,
          cached_tokens: 6,
          output_tokens: 4,
          cost_nano_usd: 70,
        },
      ],
    });
  });

  it("sums by hour and model, and writes CSV that no spreadsheet computes", async () => {
    const { key } = await tenantWithEntries(3);
    const query = path(`${SPAN}&bucket=hour&group_by=model`);
    const answer = await send("GET", query, { credential: key });
    const { data } = await answer.json<{ data: Record<string, unknown>[] }>();
    expect(data.map((row) => [row["start_ms"], row["model"], row["cost_nano_usd"]])).toEqual([
      [START_MS, "small", 10],
      [START_MS + 12 * HOUR_MS, '=large, "best"', 20],
      [START_MS + 24 * HOUR_MS, "small", 30],
    ]);
    const csv = await send("GET", `${query}&format=csv`, { credential: key });
    expect(csv.headers.get("content-type")).toBe("text/csv; charset=utf-8");
    expect((await csv.text()).split("\r\n")).toEqual([
      "start,model,entries,prompt_tokens,cached_tokens,output_tokens,cost_nano_usd",
      "2026-11-20T00:00:00.000Z,small,1,4,3,2,10",
      `2026-11-20T12:00:00.000Z,"'=large, ""best""",1,4,3,2,20`,
      "2026-11-21T00:00:00.000Z,small,1,4,3,2,30",
      "",
    ]);
  });

  it("shows a tenant its own costs only, and the operator everybody's", async () => {
    const [owner, other] = [await tenantWithEntries(2), await newTenant()];
    const total = async (response: Response) =>
      (await response.json<{ total_nano_usd: number }>()).total_nano_usd;
    expect(await total(await send("GET", path(SPAN), { credential: other.key }))).toBe(0);
    expect(await total(await asAdmin("GET", `/tenants/${owner.tenantId}/costs?${SPAN}`))).toBe(30);
    const admins = `/v1/fairlane/admin/tenants/${owner.tenantId}/costs`;
    expect((await send("GET", admins, { credential: owner.key })).status).toBe(401);
    const { key } = await newKey(owner.tenantId, { scopes: ["inference"] });
    expect((await send("GET", path(SPAN), { credential: key })).status).toBe(403);
  });

  it.each([
    "bucket=week",
    "group_by=colour",
    "from_ms=tomorrow",
    `from_ms=${START_MS}&to_ms=${START_MS}`,
    `from_ms=0&to_ms=${START_MS}`,
    `from_ms=${START_MS}&to_ms=${START_MS + 32 * DAY_MS}&bucket=hour`,
  ])("refuses %s", async (query) => {
    const { key } = await newTenant();
    const response = await send("GET", path(query), { credential: key });
    expect([response.status, await codeOf(response)]).toEqual([400, "invalid_value"]);
  });
});
