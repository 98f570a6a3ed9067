// Idempotency-Key through the edge script, the real account, the real hub, R2 and a scripted node: what is computed and
// billed, and what a second request with the same key gets.
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it } from "vitest";
import { codeOf, newKey, newTenant, send, type TestTenant } from "../../test/live-edge.ts";
import { answerWith, linkNode, refuseTooLong, type WireNode } from "../../test/wire-node.ts";

const BODY = { messages: [{ role: "user", content: "Say hi." }], max_tokens: 10 };
let node: WireNode | undefined;
let nodeCount = 0;

/** A node that answers as `answer` does at that time. */
async function nodeThat(answer: Parameters<typeof linkNode>[1]): Promise<WireNode> {
  nodeCount += 1;
  node = await linkNode(`idempotent-${nodeCount}`, answer);
  return node;
}

afterEach(async () => {
  node?.close();
  const { key } = await newTenant();
  const models = async () => {
    const response = await send("GET", "/v1/models", { credential: key });
    return (await response.json<{ data: unknown[] }>()).data.length;
  };
  await expect.poll(models, { timeout: 10_000 }).toBe(0);
});

function ask(tenant: Pick<TestTenant, "key">, key: string, body: object = BODY) {
  const headers = { "idempotency-key": key };
  return send("POST", "/v1/chat/completions", { credential: tenant.key, headers, body });
}

/** Until the answer of the first is kept. */
async function replayed(tenant: TestTenant, key: string, body: object = BODY): Promise<Response> {
  let last: Response | undefined;
  await expect
    .poll(async () => {
      last = await ask(tenant, key, body);
      return last.headers.get("idempotent-replayed");
    })
    .toBe("true");
  if (!last) throw new Error("no answer");
  return last;
}

/** The ledger's entries of a tenant, once there is one. */
async function entries(tenantId: string): Promise<number> {
  const count = async () => {
    const sql = "SELECT count(*) AS n FROM ledger_entries WHERE tenant_id = ?";
    const row = await env.LEDGER_DB.prepare(sql).bind(tenantId).first<{ n: number }>();
    return row?.n ?? 0;
  };
  await expect.poll(count, { timeout: 10_000 }).toBeGreaterThan(0);
  return count();
}

describe("a request with an Idempotency-Key", () => {
  it("that is finished is answered again, computed and billed once", async () => {
    const { submitted } = await nodeThat(answerWith(["Hi", "."]));
    const tenant = await newTenant();
    const first = await ask(tenant, "k1");
    expect(first.headers.get("idempotent-replayed")).toBeNull();
    const body = await first.json();
    const again = await replayed(tenant, "k1");
    expect(await again.json()).toEqual(body);
    expect(again.headers.get("x-fairlane-replayed-request-id")).toBe(
      first.headers.get("x-request-id"),
    );
    expect(again.headers.get("x-ratelimit-limit-requests")).toBe("600");
    expect(submitted).toHaveLength(1);
    expect(await entries(tenant.tenantId)).toBe(1);
    // What is kept is not readable.
    const { objects } = await env.RETAINED.list({ prefix: `${tenant.tenantId}/replay/` });
    expect(objects).toHaveLength(1);
    const kept = await env.RETAINED.get(objects[0]?.key ?? "");
    expect(await kept?.text()).not.toContain("chat.completion");
  });

  it("as a stream is answered again byte by byte", async () => {
    const { submitted } = await nodeThat(answerWith(["Hi", " you", "."]));
    const tenant = await newTenant();
    const body = { ...BODY, stream: true };
    const text = await (await ask(tenant, "k1", body)).text();
    expect(text).toContain("data: [DONE]");
    const again = await replayed(tenant, "k1", body);
    expect(again.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    expect(await again.text()).toBe(text);
    expect(submitted).toHaveLength(1);
  });

  it.each([
    ["/v1/responses", { input: "Say hi.", store: false }, "event: response.completed"],
    ["/v1/messages", { ...BODY, model: "tiny-llama" }, "event: message_stop"],
  ])("at %s is answered again, whole or streamed", async (path, body, end) => {
    const { submitted } = await nodeThat(answerWith(["Hi", "."]));
    const tenant = await newTenant();
    const post = (stream: boolean) => {
      const headers = { "idempotency-key": `k-${stream}`, "anthropic-version": "2023-06-01" };
      const sent = { credential: tenant.key, headers, body: { ...body, stream } };
      return send("POST", path, sent);
    };
    for (const stream of [false, true]) {
      const first = await post(stream);
      expect(first.status).toBe(200);
      const text = await first.text();
      if (stream) expect(text).toContain(end);
      let again = await post(stream);
      for (let tries = 0; tries < 50 && !again.ok; tries++) again = await post(stream);
      expect(again.headers.get("idempotent-replayed")).toBe("true");
      expect(await again.text()).toBe(text);
    }
    expect(submitted).toHaveLength(2);
  });

  it("is refused for another body, and another key computes", async () => {
    const { submitted } = await nodeThat(answerWith(["Hi"]));
    const tenant = await newTenant();
    await ask(tenant, "k1");
    const other = await ask(tenant, "k1", { ...BODY, max_tokens: 11 });
    expect([other.status, await codeOf(other)]).toEqual([409, "idempotency_key_conflict"]);
    expect(other.headers.get("x-should-retry")).toBe("false");
    const headers = { "idempotency-key": "k1" };
    const completion = { prompt: "a", max_tokens: 10 };
    const path = "/v1/completions";
    const elsewhere = await send("POST", path, {
      credential: tenant.key,
      headers,
      body: completion,
    });
    expect(await codeOf(elsewhere)).toBe("idempotency_key_conflict");
    expect((await ask(tenant, "k2", { ...BODY, max_tokens: 11 })).status).toBe(200);
    expect(submitted).toHaveLength(2);
  });

  it("that runs is waited for, or told of when a stream is asked for", async () => {
    const held: (() => void)[] = [];
    const { submitted } = await nodeThat((request, sendFrame) => {
      held.push(() => answerWith(["Hi"])(request, sendFrame));
    });
    const tenant = await newTenant();
    const first = ask(tenant, "k1");
    await expect.poll(() => held.length).toBe(1);
    const second = ask(tenant, "k1");
    const streamed = ask(tenant, "s1", { ...BODY, stream: true });
    await expect.poll(() => held.length).toBe(2);
    const refused = await ask(tenant, "s1", { ...BODY, stream: true });
    expect([refused.status, await codeOf(refused)]).toEqual([409, "idempotency_in_progress"]);
    expect(refused.headers.get("retry-after")).toBe("1");
    for (const answer of held) answer();
    expect(await (await second).json()).toEqual(await (await first).json());
    expect((await second).headers.get("idempotent-replayed")).toBe("true");
    expect(await (await streamed).text()).toContain("[DONE]");
    expect(submitted).toHaveLength(2);
  });

  it("that failed computes anew the next time", async () => {
    let isRefusing = true;
    const { submitted } = await nodeThat((request, sendFrame) => {
      (isRefusing ? refuseTooLong : answerWith(["Hi"]))(request, sendFrame);
    });
    const tenant = await newTenant();
    for (const stream of [false, true]) {
      isRefusing = true;
      const body = { ...BODY, stream };
      expect((await ask(tenant, `k-${String(stream)}`, body)).status).toBe(400);
      isRefusing = false;
      await expect
        .poll(async () => {
          const answer = await ask(tenant, `k-${String(stream)}`, body);
          await answer.text();
          return answer.status;
        })
        .toBe(200);
    }
    expect(submitted.length).toBe(4);
  });

  it("shares nothing with other tenants and other projects", async () => {
    const { submitted } = await nodeThat(answerWith(["Hi"]));
    const [one, other] = [await newTenant(), await newTenant()];
    expect((await ask(one, "k1")).headers.get("idempotent-replayed")).toBeNull();
    expect((await ask(other, "k1")).headers.get("idempotent-replayed")).toBeNull();
    expect(submitted).toHaveLength(2);
    await replayed(one, "k1");
    // Another key of the same project sees it; a key without the scope does not.
    const { key } = await newKey(one.tenantId);
    expect((await ask({ key }, "k1")).headers.get("idempotent-replayed")).toBe("true");
    const { key: reader } = await newKey(one.tenantId, { scopes: ["usage:read"] });
    expect((await ask({ key: reader }, "k1")).status).toBe(403);
    expect(submitted).toHaveLength(2);
  });

  it.each(["", "a b", "ü", "x".repeat(256)])("refuses the key %j", async (key) => {
    const tenant = await newTenant();
    const answer = await ask(tenant, key);
    expect([answer.status, await codeOf(answer)]).toEqual([400, "invalid_value"]);
  });
});
