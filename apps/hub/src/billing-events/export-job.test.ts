// The export of usage over the real ledger and control database, to an endpoint that the test plays.
import {
  findBillingExport,
  openControlDb,
  listRejections,
  putBillingExport,
  putCustomer,
  retryRejections,
} from "@fairlane/db";
import type { UsageEvent } from "@fairlane/ledger";
import { BILLING_SECRET_PURPOSE, sealSecret } from "@fairlane/protocol";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { uniqueId } from "../../test/hub-request.ts";
import { intake, ledgerOf, makeAccount, recordOf } from "../../test/usage.ts";
import { billingExportJob } from "./export-job.ts";

const NOW_MS = 1_793_491_200_000;
const URL = "https://billing.example/events";
const SIGNING_SECRET = `whsec_${btoa("0123456789abcdef0123456789abcdef")}`;
const db = openControlDb(env.CONTROL_DB);
const random = { fill: (target: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(target) };

interface Call {
  readonly headers: Headers;
  readonly body: string;
}

/** The endpoint: keeps every call and answers as the test says. */
function endpoint(answer: (call: Call) => Response | Promise<Response>): Call[] {
  const calls: Call[] = [];
  vi.spyOn(globalThis, "fetch").mockImplementation(async (url, init) => {
    expect(url).toBe(URL);
    const call = {
      headers: new Headers(init?.headers),
      body: typeof init?.body === "string" ? init.body : "",
    };
    calls.push(call);
    return answer(call);
  });
  return calls;
}

const took = () => new Response(null, { status: 204 });
const events = ({ body }: Call) => JSON.parse(body) as readonly UsageEvent[];
const idsOf = (calls: readonly Call[]) => calls.flatMap((call) => events(call).map(({ id }) => id));

type Settings = Parameters<typeof putBillingExport>[1];

/** Exports everything that comes from now on. */
async function exportTo(change: Partial<Settings> = {}): Promise<void> {
  const newest = env.LEDGER_DB.prepare(
    "SELECT coalesce(max(position), 0) AS n FROM ledger_entries",
  );
  const purpose = BILLING_SECRET_PURPOSE;
  await putBillingExport(db, {
    kind: "cloudevents",
    url: URL,
    sealedSecret: await sealSecret({
      pepper: env.KEY_PEPPER,
      purpose,
      text: SIGNING_SECRET,
      random,
    }),
    eventType: "fairlane.usage",
    meters: {},
    skipsUnmapped: false,
    changedAtMs: NOW_MS,
    cursor: (await newest.first<number>("n")) ?? 0,
    ...change,
  });
}

let recorded = 0;

/** Puts entries of 10 computed and 4 cached prompt tokens and 5 output tokens into the ledger: 22,000 nano-USD each. */
async function settled(tenantId: string, count: number): Promise<readonly string[]> {
  await makeAccount(tenantId);
  const before = (await ledgerOf(tenantId)).length;
  const records = Array.from({ length: count }, (_, index) =>
    recordOf(tenantId, index + 1, { request_id: `req_${++recorded}` }),
  );
  await intake().commit({ nodeId: uniqueId("node"), epoch: 1, records });
  await expect.poll(async () => (await ledgerOf(tenantId)).length).toBe(before + count);
  return records.map((record) => `${record.request_id}:1:0`);
}

const run = (afterMs = 0) => billingExportJob.run(env, NOW_MS + afterMs);

beforeEach(() =>
  env.CONTROL_DB.exec("DELETE FROM billing_export; DELETE FROM billing_rejections;"),
);
afterEach(() => void vi.restoreAllMocks());

describe("the export of usage", () => {
  it("tells every entry once as a signed batch of CloudEvents", async () => {
    await exportTo();
    const calls = endpoint(took);
    const tenantId = uniqueId("ten");
    const ids = await settled(tenantId, 3);
    expect(await run()).toMatchObject({
      isComplete: true,
      figures: { deliveredEntries: 3, lagEntries: 0 },
    });
    expect(idsOf(calls)).toEqual(ids);
    const [call] = calls;
    expect(call?.headers.get("content-type")).toContain("application/cloudevents-batch+json");
    expect(call?.headers.get("webhook-signature")).toMatch(/^v1,[A-Za-z0-9+/]{43}=$/);
    expect(call && events(call)[0]).toMatchObject({
      specversion: "1.0",
      type: "fairlane.usage",
      source: "/fairlane/ledger",
      subject: tenantId,
      time: "1970-01-01T00:00:01.001Z",
      data: { prompt_tokens: 10, cached_tokens: 4, output_tokens: 5, cost_nano_usd: 22_000 },
    });
    await run();
    expect(calls).toHaveLength(1);
  });

  it("tells the same ids again when a crash comes between delivery and cursor", async () => {
    await exportTo();
    const ids = await settled(uniqueId("ten"), 2);
    let crashes = true;
    const calls = endpoint(async () => {
      // The endpoint has them; what would write the cursor is gone.
      if (crashes) await env.CONTROL_DB.exec("ALTER TABLE billing_export RENAME TO away");
      return took();
    });
    await expect(run()).rejects.toThrow(/billing_export/);
    await env.CONTROL_DB.exec("ALTER TABLE away RENAME TO billing_export");
    crashes = false;
    await run(60_000);
    expect(idsOf(calls)).toEqual([...ids, ...ids]);
  });

  it("keeps everything while the endpoint is away, with ever longer pauses, and says so", async () => {
    await exportTo();
    const ids = await settled(uniqueId("ten"), 1);
    let status = 503;
    const calls = endpoint(() => new Response("busy", { status }));
    const minutes = [0, 1, 2, 3, 6, 7, 11];
    for (const minute of minutes) await run(minute * 60_000).catch(() => {});
    // At once, after 0, 2 and 4 minutes.
    expect(calls).toHaveLength(4);
    expect(await findBillingExport(db)).toMatchObject({
      failureCount: 4,
      lastError: "the endpoint answered 503",
      deliveredEntries: 0,
    });
    status = 200;
    await retryRejections(db);
    await run(12 * 60_000);
    expect(idsOf(calls).at(-1)).toBe(ids[0]);
    expect(await findBillingExport(db)).toMatchObject({ failureCount: 0, deliveredEntries: 1 });
  });

  it("passes over an entry that is refused for good, keeps it in sight and tells it again when asked", async () => {
    await exportTo();
    const ids = await settled(uniqueId("ten"), 5);
    let isPoisoned = true;
    const calls = endpoint((call) => {
      const isBad = isPoisoned && events(call).some(({ id }) => id === ids[2]);
      return new Response(null, { status: isBad ? 400 : 202 });
    });
    expect(await run()).toMatchObject({ figures: { deliveredEntries: 4, lagEntries: 0 } });
    expect((await listRejections(db, 10)).rows).toMatchObject([
      { eventId: ids[2], reason: "answered 400", isRetried: false },
    ]);
    isPoisoned = false;
    calls.length = 0;
    await run(60_000);
    expect(calls).toEqual([]);
    await retryRejections(db);
    expect(await run(120_000)).toMatchObject({ figures: { retriedCount: 1 } });
    expect(idsOf(calls)).toEqual([ids[2]]);
    expect((await listRejections(db, 10)).count).toBe(0);
  });

  it("loses nothing to an endpoint that refuses everybody's entries", async () => {
    await exportTo();
    const ids = [...(await settled(uniqueId("ten"), 1)), ...(await settled(uniqueId("ten"), 1))];
    let status = 400;
    const calls = endpoint(() => new Response(null, { status }));
    await expect(run()).rejects.toThrow("the endpoint refuses every event: answered 400");
    expect((await listRejections(db, 10)).count).toBe(0);
    status = 200;
    calls.length = 0;
    await run(60_000);
    expect(idsOf(calls)).toEqual(ids);
  });
});

describe("to OpenMeter", () => {
  it("carries the token", async () => {
    const tenantId = uniqueId("ten");
    await exportTo({ kind: "openmeter" });
    const calls = endpoint(took);
    await settled(tenantId, 1);
    await run();
    expect(calls[0]?.headers.get("authorization")).toBe(`Bearer ${SIGNING_SECRET}`);
    expect(calls[0]?.headers.has("webhook-signature")).toBe(false);
  });
});

describe("to Stripe", () => {
  const meters = { prompt_tokens: "llm_prompt", output_tokens: "llm_output" };

  async function registered(): Promise<string> {
    const tenantId = uniqueId("ten");
    await env.CONTROL_DB.prepare(
      `INSERT INTO tenants (id, name, status, weight, requests_per_minute, tokens_per_minute, parallel_requests,
         price_version_id, created_at_ms) VALUES (?, 'a', 'active', 1, 600, 100000, 8,
         (SELECT id FROM price_versions LIMIT 1), 0)`,
    )
      .bind(tenantId)
      .run();
    await putCustomer(db, tenantId, "cus_1");
    return tenantId;
  }

  it("tells one value of each meter, under an identifier of entry and measure", async () => {
    await exportTo({ kind: "stripe", meters });
    const calls = endpoint(() => Response.json({ object: "billing.meter_event" }));
    const [id] = await settled(await registered(), 1);
    await run();
    expect(calls.map(({ body }) => Object.fromEntries(new URLSearchParams(body)))).toEqual([
      {
        event_name: "llm_prompt",
        identifier: `${id}:prompt_tokens`,
        timestamp: "1",
        "payload[stripe_customer_id]": "cus_1",
        "payload[value]": "10",
      },
      {
        event_name: "llm_output",
        identifier: `${id}:output_tokens`,
        timestamp: "1",
        "payload[stripe_customer_id]": "cus_1",
        "payload[value]": "5",
      },
    ]);
    expect(calls[0]?.headers.get("content-type")).toBe("application/x-www-form-urlencoded");
  });

  it("takes an event that Stripe has already for delivered, and an unknown customer for refused", async () => {
    await exportTo({ kind: "stripe", meters });
    const known = "An event already exists with identifier req:1:0:prompt_tokens.";
    endpoint(() => Response.json({ error: { message: known } }, { status: 400 }));
    await settled(await registered(), 1);
    const unmapped = uniqueId("ten");
    const [id] = await settled(unmapped, 1);
    expect(await run()).toMatchObject({ figures: { deliveredEntries: 1, lagEntries: 0 } });
    expect((await listRejections(db, 10)).rows).toMatchObject([
      { eventId: id, tenantId: unmapped, reason: "the tenant has no customer id" },
    ]);
  });
});
