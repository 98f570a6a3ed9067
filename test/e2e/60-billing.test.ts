// The ledger: what was computed, once, at the tenant's prices, whatever the link does to the frames on the way.
import { createServer, type Server } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Platform, type TestTenant } from "./platform/platform.ts";

let platform: Platform;
let tenant: TestTenant;
beforeAll(async () => {
  platform = await Platform.start();
  tenant = await platform.newTenant("billing");
});
afterAll(() => platform[Symbol.asyncDispose]());

const model = "smollm2-135m-instruct";
const messages = [
  { role: "user" as const, content: "What is the capital of France? Answer in one sentence." },
];

describe("billing", () => {
  it("writes one entry with the answer's own counts, at the seeded prices", async () => {
    const request = { model, messages, temperature: 0 };
    const answer = await tenant.openai.chat.completions.create(request);
    const row = await platform.ledgerRow(answer._request_id ?? "");
    expect(row).toMatchObject({
      tenant_id: tenant.tenantId,
      attempt: 1,
      finish_reason: "stop",
      prompt_tokens: 42,
      computed_prompt_tokens: 42,
      computed_cached_tokens: 0,
      computed_output_tokens: 8,
      billed_prompt_tokens: 42,
      billed_output_tokens: 8,
      // 42 x 100 nano-USD + 8 x 400 nano-USD (0.10 and 0.40 USD per million tokens).
      billed_nano_usd: 7_400,
    });
  });

  it("bills embeddings as prompt tokens, whatever form they are asked for in", async () => {
    const input = ["The sea is calm today.", "What is the capital of France?"];
    const answer = await tenant.openai.embeddings.create({ model, input });
    expect(answer.data.map(({ index }) => index)).toEqual([0, 1]);
    for (const { embedding } of answer.data) {
      expect(embedding).toHaveLength(576);
      expect(embedding.reduce((sum, value) => sum + value * value, 0)).toBeCloseTo(1, 4);
    }
    const floats = await tenant.openai.embeddings
      .create({ model, input, encoding_format: "float" })
      .withResponse();
    expect(floats.data.data.map(({ embedding }) => embedding)).toEqual(
      answer.data.map(({ embedding }) => embedding),
    );
    const { prompt_tokens: promptTokens } = floats.data.usage;
    const row = await platform.ledgerRow(floats.request_id ?? "");
    expect(row).toMatchObject({
      finish_reason: "stop",
      prompt_tokens: promptTokens,
      computed_prompt_tokens: promptTokens,
      computed_output_tokens: 0,
      billed_prompt_tokens: promptTokens,
      billed_nano_usd: promptTokens * 100,
    });
    const refused = tenant.openai.embeddings.create({ model, input, dimensions: 8 });
    await expect(refused).rejects.toMatchObject({ status: 400, param: "dimensions" });
  });

  it("bills a completion of several prompts as one entry, whole or streamed", async () => {
    const request = {
      model,
      prompt: ["The capital of France is", "The sea is"],
      n: 2,
      max_tokens: 5,
      ...{ ignore_eos: true },
      temperature: 0,
    };
    const { data, request_id: requestId } = await tenant.openai.completions
      .create(request)
      .withResponse();
    const texts = data.choices.map(({ text }) => text);
    expect(texts[0]).toBe(texts[1]);
    expect(texts[2]).toBe(texts[3]);
    expect(texts[0]).toMatch(/^ /);
    const promptTokens = data.usage?.prompt_tokens ?? 0;
    expect(data.usage?.completion_tokens).toBe(20);
    expect(await platform.ledgerRow(requestId ?? "")).toMatchObject({
      tenant_id: tenant.tenantId,
      finish_reason: "length",
      prompt_tokens: promptTokens,
      computed_output_tokens: 20,
      billed_prompt_tokens: promptTokens,
      billed_output_tokens: 20,
      billed_nano_usd: promptTokens * 100 + 20 * 400,
    });
    const stream = await tenant.openai.completions.create({
      ...request,
      stream: true,
      stream_options: { include_usage: true },
    });
    const streamed = ["", "", "", ""];
    let usage: unknown;
    for await (const chunk of stream) {
      for (const { index, text } of chunk.choices) streamed[index] += text;
      usage = chunk.usage ?? usage;
    }
    expect(streamed).toEqual(texts);
    expect(usage).toMatchObject({ prompt_tokens: promptTokens, completion_tokens: 20 });
    const refused = tenant.openai.completions.create({ model, prompt: "a", echo: true });
    await expect(refused).rejects.toMatchObject({ status: 400, param: "echo" });
  });

  it("loses and doubles nothing when the node dies between usage and ack", async () => {
    const { proxy } = platform;
    proxy.dropWhere((seen) => seen.type === "ack");
    const answer = await tenant.openai.chat.completions.create({ model, messages, temperature: 0 });
    const requestId = answer._request_id ?? "";
    const carries = (frame: Readonly<Record<string, unknown>>) =>
      JSON.stringify(frame["records"]).includes(requestId);
    await proxy.waitFor((seen) => seen.type === "usage" && carries(seen.frame));
    const lostAck = await proxy.waitFor((seen) => seen.type === "ack");
    await platform.node.stop("SIGKILL");
    proxy.dropWhere(undefined);
    await platform.restartNode();
    // The new process sends the record again, because nobody told the old one that it had arrived.
    const again = await eventuallyAcked(lostAck);
    expect(again).toBe(true);
    const sentCount = proxy.seen.filter(
      (seen) => seen.type === "usage" && carries(seen.frame),
    ).length;
    expect(sentCount).toBeGreaterThanOrEqual(2);
    const row = await platform.ledgerRow(requestId);
    expect(row).toMatchObject({
      attempt: 1,
      computed_prompt_tokens: 10,
      // The tenant has sent this prompt before: two blocks of it come from the prefix cache, at half the price.
      computed_cached_tokens: 32,
      computed_output_tokens: 8,
      billed_nano_usd: 5_800,
    });
  });

  it("bills what the journal holds of a request that was running when the node was killed", async () => {
    const { proxy } = platform;
    const story = [{ role: "user" as const, content: "Tell me a very long story." }];
    const stream = await tenant.openai.chat.completions.create({
      model,
      messages: story,
      max_tokens: 2_000,
      stream: true,
    });
    let requestId = "";
    let received = 0;
    const reading = async () => {
      for await (const chunk of stream) {
        requestId = chunk.id.replace("chatcmpl-", "");
        if (chunk.choices[0]?.delta.content) received += 1;
        if (received === 10) await platform.node.stop("SIGKILL");
      }
    };
    await expect(reading()).rejects.toThrow();
    await platform.restartNode();
    const row = await platform.ledgerRow(requestId);
    expect(row.finish_reason).toBe("node_lost");
    const sent = proxy.seen
      .filter((seen) => seen.type === "step")
      .flatMap((seen) => seen.frame["deltas"] as { id: string; from: number; n: number }[])
      .filter((delta) => delta.id === requestId)
      .reduce((sum, delta) => Math.max(sum, delta.from + delta.n), 0);
    // Every step is in the journal before its frame leaves; at most one more was computed and not sent.
    expect(row.computed_output_tokens).toBeGreaterThanOrEqual(sent);
    expect(row.computed_output_tokens).toBeLessThanOrEqual(sent + 1);
    expect(sent).toBeGreaterThanOrEqual(10);
  });

  it("tells a billing system of a request, under the customer's name, and finds the books balanced", async () => {
    const { server, url, received } = await startReceiver();
    try {
      const settings = { kind: "openmeter", url, secret: "om_test_0123456789" };
      const put = await platform.admin.operate("PUT", "/billing-export", settings);
      expect(put).toMatchObject({ state: "delivering", lag_entries: 0, delivered_entries: 0 });
      expect(JSON.stringify(put)).not.toContain("om_test");
      const customer = `/tenants/${tenant.tenantId}/billing-customer`;
      await platform.admin.operate("PUT", customer, { customer_id: "acme" });
      const answer = await tenant.openai.chat.completions.create({
        model,
        messages,
        temperature: 0,
      });
      await platform.ledgerRow(answer._request_id ?? "");
      await platform.admin.operate("POST", "/jobs/billing-export/run");
      const told = received.flatMap(({ events }) => events);
      expect(told).toMatchObject([
        {
          id: `${answer._request_id}:1:0`,
          subject: "acme",
          data: { tenant_id: tenant.tenantId, output_tokens: 8, fault: null },
        },
      ]);
      expect(received[0]?.token).toBe("Bearer om_test_0123456789");
      const status = await platform.admin.operate("GET", "/billing-export");
      expect(status).toMatchObject({ lag_entries: 0, delivered_entries: 1, rejected_entries: 0 });
      await platform.admin.operate("DELETE", "/billing-export");
      const job = await platform.admin.operate("POST", "/jobs/reconcile/run");
      expect(job["last_run"]).toMatchObject({ figures: { unbalancedTenants: 0 } });
    } finally {
      server.close();
    }
  });

  it("keeps the sums of two tenants apart", async () => {
    const other = await platform.newTenant("billing-other");
    const answer = await other.openai.chat.completions.create({ model, messages, temperature: 0 });
    await platform.ledgerRow(answer._request_id ?? "");
    const usage = await platform.admin.usage(other.tenantId);
    expect(usage["totals"]).toMatchObject({
      entries: 1,
      prompt_tokens: 42,
      output_tokens: 8,
      cost_nano_usd: 7_400,
    });
  });
});

describe("an invoice", () => {
  it("has what a tenant used, and is read by it as JSON, CSV and a page", async () => {
    const buyer = await platform.newTenant("billing-invoice");
    const answer = await buyer.openai.chat.completions.create({ model, messages, temperature: 0 });
    await platform.ledgerRow(answer._request_id ?? "");
    const now = new Date();
    const period = (monthsAgo: number) =>
      new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - monthsAgo)).toISOString();
    // The running month's is a draft, and no more yet.
    const step = (path: string, body: object) =>
      platform.admin.invoiceStep(buyer.tenantId, path, body);
    const draft = await step("/invoices", { period: period(0).slice(0, 7) });
    expect(draft).toMatchObject({ status: "draft", entries: 1, usage_nano_usd: 7_400 });
    const early = step(`/invoices/${String(draft["id"])}/finalize`, {});
    await expect(early).rejects.toThrow("invoice_period_open");
    // The same usage, as if it were two months old.
    const ledgerDb = await platform.edge.openLedgerDb();
    const same = `attempt, entry_seq, tenant_id, project_id, key_id, node_id, epoch, model, price_version,
      finish_reason, prompt_tokens, computed_prompt_tokens, computed_cached_tokens, computed_output_tokens,
      billed_prompt_tokens, billed_cached_tokens, billed_output_tokens, billed_nano_usd, received_at_ms, queue_ms`;
    await ledgerDb
      .prepare(
        `INSERT INTO ledger_entries (request_id, ended_at_ms, ${same})
         SELECT 'req_two_months_ago', ?, ${same} FROM ledger_entries WHERE request_id = ?`,
      )
      .bind(Date.parse(period(2)), answer._request_id ?? "")
      .run();
    await step("/adjustments", { id: "setup", amount_nano_usd: 19_992_600, reason: "set-up" });
    const old = await step("/invoices", { period: period(2).slice(0, 7) });
    const final = await step(`/invoices/${String(old["id"])}/finalize`, {});
    expect(final).toMatchObject({ status: "final", number: 1, entries: 1, total_cents: 2 });
    const { apiKey } = await platform.admin.createKey(buyer.tenantId, {
      scopes: ["invoices:read"],
    });
    const read = (query: string) =>
      fetch(`${platform.edge.edgeUrl}/v1/fairlane/invoices/${String(final["id"])}${query}`, {
        headers: { authorization: `Bearer ${apiKey}` },
      });
    expect(await (await read("")).json()).toMatchObject({
      ...{ number: 1, total_cents: 2, usage_nano_usd: 7_400, rounding_nano_usd: 0 },
      lines: [
        { kind: "usage", model, requests: 1, prompt_tokens: 42, output_tokens: 8 },
        { kind: "adjustment", reason: "set-up" },
      ],
    });
    expect((await (await read("?format=csv")).text()).split("\r\n")).toHaveLength(4);
    const page = await (await read("?format=html")).text();
    expect(page).toContain("<h1>Invoice 1</h1>");
    expect(page).toContain("0.0000074");
  });
});
interface Received {
  readonly token: string | undefined;
  readonly events: readonly {
    readonly id: string;
    readonly subject: string;
    readonly data: object;
  }[];
}

/** A billing system on this machine, which takes everything. */
async function startReceiver(): Promise<{ server: Server; url: string; received: Received[] }> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      const events = JSON.parse(body) as Received["events"];
      received.push({ token: request.headers.authorization, events });
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { server, url: `http://127.0.0.1:${address.port}/api/v1/events`, received };
}

/** True once an ack passed after `lost`. */
async function eventuallyAcked(lost: unknown): Promise<boolean> {
  const { seen } = platform.proxy;
  const index = seen.findIndex((frame) => frame === lost);
  const after = (frame: (typeof seen)[number]) =>
    seen.indexOf(frame) > index && frame.type === "ack";
  return (await platform.proxy.waitFor(after)).type === "ack";
}
