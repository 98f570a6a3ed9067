import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import { uniqueId } from "../../test/hub-request.ts";
import { accountOf, configOf, makeAccount, recordOf } from "../../test/usage.ts";

const SOURCE = { nodeId: "node-a", epoch: 1 };
const URL = "https://hooks.example/alerts";

interface Sent {
  readonly headers: Headers;
  readonly body: string;
}

/** What the endpoint was sent; `status` answers it. */
function endpoint(status: () => number): Sent[] {
  const sent: Sent[] = [];
  vi.spyOn(globalThis, "fetch").mockImplementation((url, init) => {
    expect(url).toBe(URL);
    const body = typeof init?.body === "string" ? init.body : "";
    sent.push({ headers: new Headers(init?.headers), body });
    return Promise.resolve(new Response(null, { status: status() }));
  });
  return sent;
}

afterEach(() => void vi.restoreAllMocks());

/** An account that tells when 50 and 100 percent of 44,000 nano-USD a day are spent: two records. */
async function alertingAccount() {
  const tenantId = uniqueId("ten");
  const budgets = [
    {
      scopeId: tenantId,
      window: "day" as const,
      mode: "soft" as const,
      limitNanoUsd: 44_000,
      alertPercents: [50, 100],
    },
  ];
  const account = await makeAccount(tenantId, { budgets, webhookUrl: URL });
  return { tenantId, account, budgets };
}

/** Lets the next alarm send everything that waits. */
function makeDue(tenantId: string): Promise<void> {
  return runInDurableObject(accountOf(tenantId), (_, { storage }) => {
    storage.sql.exec("UPDATE webhook_events SET due_ms = 0");
  });
}

describe("the webhook outbox", () => {
  it("outlives failed alarms and sends each event once it can, under the same id", async () => {
    const { tenantId, account } = await alertingAccount();
    let isAway = true;
    const sent = endpoint(() => (isAway ? 500 : 204));
    await account.settleMany({ ...SOURCE, records: [recordOf(tenantId, 1)] });
    for (let failure = 0; failure < 8; failure++) {
      await makeDue(tenantId);
      expect(await runDurableObjectAlarm(account)).toBe(true);
    }
    expect(sent).toHaveLength(8);
    expect(new Set(sent.map(({ headers }) => headers.get("webhook-id"))).size).toBe(1);
    isAway = false;
    await makeDue(tenantId);
    await runDurableObjectAlarm(account);
    expect(sent).toHaveLength(9);
    expect(await runDurableObjectAlarm(account)).toBe(false);
    expect(JSON.parse(sent[8]?.body ?? "")).toMatchObject({
      specversion: "1.0",
      type: "fairlane.budget.threshold",
      id: sent[0]?.headers.get("webhook-id"),
      data: { tenant_id: tenantId, percent: 50, spent_nano_usd: 22_000, limit_nano_usd: 44_000 },
    });
  });

  it("signs as Standard Webhooks has it, with the secret that the account tells", async () => {
    const { tenantId, account } = await alertingAccount();
    const sent = endpoint(() => 200);
    await account.settleMany({ ...SOURCE, records: [recordOf(tenantId, 1)] });
    await runDurableObjectAlarm(account);
    const [event] = sent;
    const secret = await account.webhookSecret();
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    const raw = Uint8Array.from(atob(secret.slice(6)), (char) => char.charCodeAt(0));
    const algorithm = { name: "HMAC", hash: "SHA-256" };
    const key = await crypto.subtle.importKey("raw", raw, algorithm, false, ["verify"]);
    const text = [
      event?.headers.get("webhook-id"),
      event?.headers.get("webhook-timestamp"),
      event?.body,
    ].join(".");
    const signature = (event?.headers.get("webhook-signature") ?? "").replace("v1,", "");
    const bytes = Uint8Array.from(atob(signature), (char) => char.charCodeAt(0));
    const isValid = await crypto.subtle.verify("HMAC", key, bytes, new TextEncoder().encode(text));
    expect(isValid).toBe(true);
  });

  it("tells each threshold of a window once, and a changed limit's again", async () => {
    const { tenantId, account, budgets } = await alertingAccount();
    const sent = endpoint(() => 200);
    const percents = () =>
      sent.map(({ body }) => (JSON.parse(body) as { data: { percent: number } }).data.percent);
    const settle = async (seq: number) => {
      await account.settleMany({ ...SOURCE, records: [recordOf(tenantId, seq)] });
      await runDurableObjectAlarm(account);
    };
    for (const seq of [1, 2, 3]) await settle(seq);
    expect(percents()).toEqual([50, 100]);
    const raised = budgets.map((budget) => ({ ...budget, limitNanoUsd: 88_000 }));
    await account.configure(configOf(tenantId, { budgets: raised, webhookUrl: URL }));
    await settle(4);
    expect(percents()).toEqual([50, 100, 100]);
  });

  it("forgets what nobody is to be told any more", async () => {
    const { tenantId, account } = await alertingAccount();
    const sent = endpoint(() => 500);
    await account.settleMany({ ...SOURCE, records: [recordOf(tenantId, 1)] });
    await account.configure(configOf(tenantId));
    await runDurableObjectAlarm(account);
    expect(sent).toEqual([]);
    expect(await runDurableObjectAlarm(account)).toBe(false);
  });
});
