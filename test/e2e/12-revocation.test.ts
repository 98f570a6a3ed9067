// Revocation and suspension reach what runs: streams and silent requests end within a second, in every region, with an
// error that says why, and nothing else ends.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, Platform, type TestTenant } from "./platform/platform.ts";

const END_MS_MAX = 1_000;

let platform: Platform;
beforeAll(async () => void (platform = await Platform.start(["--max-running", "3"])));
afterAll(() => platform[Symbol.asyncDispose]());

const story = {
  messages: [{ role: "user", content: "Tell me a very long story about the sea." }],
  // Never ends by itself within the test.
  max_tokens: 4_000,
  ignore_eos: true,
};

function ask(apiKey: string, stream: boolean): Promise<Response> {
  return fetch(`${platform.edge.edgeUrl}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${apiKey}`, "content-type": "application/json" },
    body: JSON.stringify({ ...story, stream }),
  });
}

/** A stream that has begun, read to its end in the background. */
async function openStory(apiKey: string) {
  const response = await ask(apiKey, true);
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (!response.ok || !reader) throw new Error(`no stream: ${response.status}`);
  const state = { text: "", endedMs: 0 };
  void (async () => {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      state.text += value;
    }
    state.endedMs = Date.now();
  })();
  await eventually("first token", () =>
    Promise.resolve(/"content":"[^"]/.exec(state.text) ?? undefined),
  );
  return { state, stop: () => reader.cancel().catch(() => undefined) };
}

/** Waits until the node has accepted so many requests since a frame. */
async function accepted(count: number, framesBefore: number): Promise<void> {
  const isAccept = ({ type }: { readonly type: string }) => type === "accept";
  await eventually("requests at the node", () =>
    Promise.resolve(
      platform.proxy.seen.slice(framesBefore).filter(isAccept).length >= count || undefined,
    ),
  );
}

/** The code of the error event with which a stream ended. */
function errorOf(text: string): unknown {
  const last = text
    .trimEnd()
    .split("\n")
    .findLast((line) => line.startsWith("data: {"));
  const event = JSON.parse((last ?? "data: {}").slice("data: ".length)) as {
    readonly error?: { readonly code: string };
  };
  return event.error?.code;
}

const ended = (story: { readonly state: { readonly endedMs: number } }) =>
  eventually("end of the stream", () => Promise.resolve(story.state.endedMs || undefined));

async function codeOf(response: Response): Promise<readonly [number, string]> {
  const { error } = (await response.json()) as { readonly error: { readonly code: string } };
  return [response.status, error.code];
}

describe("revoking a key", () => {
  it("ends its running stream and its silent request within a second, and no other key's", async () => {
    const tenant: TestTenant = await platform.newTenant("revoked");
    const kept = await platform.admin.createKey(tenant.tenantId);
    const [mine, other] = [await openStory(tenant.apiKey), await openStory(kept.apiKey)];
    const silent = ask(tenant.apiKey, false);
    await eventually("both at the node", () =>
      Promise.resolve(
        platform.proxy.seen.filter(({ type }) => type === "accept").length >= 3 || undefined,
      ),
    );
    const revokedMs = Date.now();
    await platform.admin.revokeKey(tenant.tenantId, tenant.keyId);
    expect((await ended(mine)) - revokedMs).toBeLessThan(END_MS_MAX);
    expect(errorOf(mine.state.text)).toBe("invalid_api_key");
    expect(mine.state.text).not.toContain("[DONE]");
    expect(await codeOf(await silent)).toEqual([401, "invalid_api_key"]);
    expect(Date.now() - revokedMs).toBeLessThan(END_MS_MAX);
    const charsBefore = other.state.text.length;
    await eventually("more of the other stream", () =>
      Promise.resolve(other.state.text.length > charsBefore || undefined),
    );
    expect(other.state.endedMs).toBe(0);
    await other.stop();
  });
});

describe("suspending a tenant", () => {
  it("ends all its streams within a second, refuses new ones, and lets it come back", async () => {
    const [one, other] = [await platform.newTenant("one"), await platform.newTenant("other")];
    const second = await platform.admin.createKey(one.tenantId);
    const mine = [await openStory(one.apiKey), await openStory(second.apiKey)];
    const theirs = await openStory(other.apiKey);
    const suspendedMs = Date.now();
    await platform.admin.changeTenant(one.tenantId, { suspended: true });
    for (const story of mine) {
      expect((await ended(story)) - suspendedMs).toBeLessThan(END_MS_MAX);
      expect(errorOf(story.state.text)).toBe("tenant_suspended");
    }
    expect(await codeOf(await ask(one.apiKey, false))).toEqual([403, "tenant_suspended"]);
    expect(theirs.state.endedMs).toBe(0);
    await theirs.stop();
    await platform.admin.changeTenant(one.tenantId, { suspended: false });
    const headers = { authorization: `Bearer ${one.apiKey}` };
    const models = await fetch(`${platform.edge.edgeUrl}/v1/models`, { headers });
    expect(models.status).toBe(200);
  });
});

describe("what waits in a node's queue", () => {
  it.each([
    [
      "its key is revoked",
      [401, "invalid_api_key"],
      (tenant: TestTenant) => platform.admin.revokeKey(tenant.tenantId, tenant.keyId),
    ],
    [
      "its tenant is suspended",
      [403, "tenant_suspended"],
      (tenant: TestTenant) => platform.admin.changeTenant(tenant.tenantId, { suspended: true }),
    ],
  ] as const)("ends within a second when %s, and costs nothing", async (_, error, end) => {
    const [busy, queued] = [await platform.newTenant("busy"), await platform.newTenant("queued")];
    // As many as the node runs.
    const running = [];
    for (let i = 0; i < 3; i++) running.push(await openStory(busy.apiKey));
    const framesBefore = platform.proxy.seen.length;
    const stream = await ask(queued.apiKey, true);
    const requestId = stream.headers.get("x-request-id") ?? "";
    const text = stream.text();
    const silent = ask(queued.apiKey, false);
    await accepted(2, framesBefore);
    const endedMs = Date.now();
    await end(queued);
    expect(errorOf(await text)).toBe(error[1]);
    expect(await codeOf(await silent)).toEqual(error);
    expect(Date.now() - endedMs).toBeLessThan(END_MS_MAX);
    expect(await text).not.toMatch(/"content":"[^"]/);
    const row = await platform.ledgerRow(requestId);
    expect(row).toMatchObject({
      computed_prompt_tokens: 0,
      billed_prompt_tokens: 0,
      billed_output_tokens: 0,
      billed_nano_usd: 0,
    });
    const usage = await eventually("both entries", async () => {
      const { totals } = (await platform.admin.usage(queued.tenantId)) as {
        readonly totals: Record<string, number>;
      };
      return totals["entries"] === 2 ? totals : undefined;
    });
    expect([usage["prompt_tokens"], usage["output_tokens"], usage["cost_nano_usd"]]).toEqual([
      0, 0, 0,
    ]);
    for (const story of running) {
      expect(story.state.endedMs).toBe(0);
      await story.stop();
    }
  });
});
