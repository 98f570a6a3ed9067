// A batch over the real account, hub, D1 and bucket, with a node that the test speaks for: what its lines come to, and that
// a restart, a revoked key, a busy account and a cancellation lose and repeat nothing.
import type { BatchSpec, BatchView, SubmitRequest } from "@fairlane/protocol";
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { TestNode } from "../../test/test-node.ts";
import { configOf, keyOf } from "../../test/usage.ts";
import { filesOf } from "./batch-files.ts";

const KEY = "key_a";
/** One for each test: without usage records an account's holds stay. */
let tenantId = "";
const account = () => env.TENANT_ACCOUNT.getByName(tenantId);

const FREE = { requestsPerMinute: 60_000, tokensPerMinute: 100_000_000, parallelRequests: 1_000 };
let lastNumber = 0;
let nodes: TestNode[];
let submitted: SubmitRequest[];
/** How the node answers; null: not at all. */
let answer: ((request: SubmitRequest, node: TestNode) => void) | null;

beforeEach(async () => {
  submitted = [];
  answer = finish;
  tenantId = `ten_${(lastNumber += 1)}`;
  const config = configOf(tenantId, FREE);
  // What files refer to; the columns that have no default.
  await env.CONTROL_DB.prepare(
    `INSERT INTO tenants (id, name, status, weight, requests_per_minute, tokens_per_minute, parallel_requests,
     scope_limits, price_version_id, created_at_ms) VALUES (?, 't', 'active', 1, 1, 1, 1, '[]', ?, 1)`,
  )
    .bind(tenantId, "plan_01kb0000000000000000000001")
    .run();
  await account().configure(config);
  await account().putKey(keyOf());
  nodes = await Promise.all([0, 1].map((shard) => listen(`local:${shard}`)));
});

afterEach(() => nodes.forEach((node) => node.close()));

async function listen(hubName: string): Promise<TestNode> {
  const node = await TestNode.link(env.REGION_HUB.getByName(hubName), "node-a");
  void (async () => {
    for (;;) {
      const { requests } = await node.next("submit");
      for (const request of requests) {
        submitted.push(request);
        answer?.(request, node);
      }
    }
  })();
  return node;
}

function finish(request: SubmitRequest, node: TestNode): void {
  node.send({ type: "accept", id: request.id, model: "tiny", prompt_tokens: 3 });
  node.step(request.id, { from: 0, text: `answer to ${request.id.split("-")[1] ?? ""}` });
  node.done(request.id, 1, 3);
}

const chatLine = (customId: string, body: object = {}) =>
  JSON.stringify({
    custom_id: customId,
    method: "POST",
    url: "/v1/chat/completions",
    body: { messages: [{ role: "user", content: "Hi" }], ...body },
  });

/** A sealed file, as the edge writes it. */
async function keep(fileId: string, text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  const files = await filesOf(env, tenantId);
  await files.put({ kind: "files", id: fileId }, new Blob([bytes]).stream(), bytes.length);
}

async function begin(lines: readonly string[], change: Partial<BatchSpec> = {}) {
  lastNumber += 1;
  const batchId = `batch_${String(lastNumber).padStart(26, "0")}`;
  const inputFileId = `file_${lastNumber}`;
  await keep(inputFileId, lines.join("\n"));
  const run = env.BATCH_RUN.getByName(batchId);
  const nowMs = Date.now();
  await run.begin({
    batchId,
    claim: { tenantId, keyId: KEY, secretHash: "5e".repeat(32) },
    clientIp: undefined,
    region: "local",
    endpoint: "/v1/chat/completions",
    inputFileId,
    metadata: null,
    createdAtMs: nowMs,
    expiresAtMs: nowMs + 60_000,
    ...change,
  });
  return { batchId, inputFileId };
}

const viewOf = async (batchId: string): Promise<BatchView> => {
  const view = await env.BATCH_RUN.getByName(batchId).view();
  if (view === null) throw new Error("no batch");
  return view;
};

async function ended(batchId: string): Promise<BatchView> {
  const ends = ["completed", "failed", "expired", "cancelled"];
  await expect.poll(async () => ends.includes((await viewOf(batchId)).status), WAIT).toBe(true);
  return viewOf(batchId);
}

const WAIT = { timeout: 10_000, interval: 20 };

async function linesOf(fileId: string | null): Promise<Record<string, unknown>[]> {
  const content = await (await filesOf(env, tenantId)).get({ kind: "files", id: fileId ?? "" });
  const text = await new Response(content?.body).text();
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe("a batch", { timeout: 20_000 }, () => {
  it("runs its lines at the lowest tier and writes answers and errors in their order", async () => {
    const { batchId } = await begin([
      chatLine("a"),
      "",
      "not json",
      chatLine("b", { temperature: 9 }),
      chatLine("c"),
      chatLine("a"),
      chatLine("d", { stream: true }),
    ]);
    const view = await ended(batchId);
    expect(view).toMatchObject({
      status: "completed",
      totalCount: 6,
      completedCount: 2,
      failedCount: 4,
      failure: null,
    });
    expect(submitted.map(({ id, tier }) => [id, tier])).toEqual([
      [`${batchId}-0-0`, "batch"],
      [`${batchId}-4-0`, "batch"],
    ]);
    expect(await linesOf(view.outputFileId)).toMatchObject([
      {
        id: `batch_req_${batchId.slice(6)}-0`,
        custom_id: "a",
        response: {
          status_code: 200,
          request_id: `${batchId}-0-0`,
          body: { object: "chat.completion", choices: [{ message: { content: "answer to 0" } }] },
        },
        error: null,
      },
      { custom_id: "c", response: { status_code: 200 } },
    ]);
    expect(await linesOf(view.errorFileId)).toMatchObject([
      { custom_id: null, response: null, error: { code: "invalid_json", line: 3 } },
      { custom_id: "b", response: { status_code: 400, body: { error: { param: "temperature" } } } },
      { custom_id: "a", response: null, error: { code: "duplicate_custom_id", line: 6 } },
      { custom_id: "d", response: { status_code: 400, body: { error: { param: "stream" } } } },
    ]);
  });

  it("runs more lines than a round has, in rounds", async () => {
    let running = 0;
    let most = 0;
    answer = (request, node) => {
      running += 1;
      most = Math.max(most, running);
      setTimeout(() => {
        running -= 1;
        finish(request, node);
      }, 5);
    };
    const { batchId } = await begin(Array.from({ length: 70 }, (_, line) => chatLine(`l${line}`)));
    const view = await ended(batchId);
    expect(view).toMatchObject({ status: "completed", completedCount: 70, failedCount: 0 });
    expect(most).toBeLessThanOrEqual(32);
    const customIds = (await linesOf(view.outputFileId)).map((line) => line["custom_id"]);
    expect(customIds).toEqual(Array.from({ length: 70 }, (_, line) => `l${line}`));
  });

  it("goes on after a restart, under the same request ids", async () => {
    answer = null;
    const { batchId } = await begin([chatLine("a"), chatLine("b")]);
    await expect.poll(() => submitted.length, WAIT).toBe(2);
    const killed = runInDurableObject(env.BATCH_RUN.getByName(batchId), (_, state) => {
      state.abort("killed");
    });
    await killed.catch(() => undefined);
    // What ran before goes on at the node; its answers find nobody.
    for (const request of submitted.splice(0)) {
      for (const node of nodes) finish(request, node);
    }
    answer = finish;
    const view = await ended(batchId);
    expect(view).toMatchObject({ status: "completed", completedCount: 2, failedCount: 0 });
    // As later attempts: an earlier one that was cut short has its own record.
    const again = submitted.map(({ id, attempt }) => `${id} ${attempt > 3}`);
    expect(new Set(again)).toEqual(new Set([`${batchId}-0-0 true`, `${batchId}-1-0 true`]));
  });

  it("tells each line what became of the key", async () => {
    await account().revokeKey(KEY);
    const { batchId } = await begin([chatLine("a")]);
    const view = await ended(batchId);
    expect(view).toMatchObject({ status: "completed", completedCount: 0, failedCount: 1 });
    expect(view.outputFileId).toBeNull();
    expect(await linesOf(view.errorFileId)).toMatchObject([
      { custom_id: "a", response: { status_code: 401 } },
    ]);
  });

  it("waits for an account that is busy", async () => {
    await account().configure(configOf(tenantId, { ...FREE, parallelRequests: 1 }));
    const { batchId } = await begin([chatLine("a"), chatLine("b")]);
    await expect.poll(() => submitted.length, WAIT).toBe(1);
    expect((await viewOf(batchId)).status).toBe("in_progress");
    await account().configure(configOf(tenantId, FREE));
    expect(await ended(batchId)).toMatchObject({ completedCount: 2, failedCount: 0 });
  });

  it("starts nothing new once it is cancelled, and keeps what is done", async () => {
    const held: (() => void)[] = [];
    answer = (request, node) => held.push(() => finish(request, node));
    const { batchId } = await begin(Array.from({ length: 40 }, (_, line) => chatLine(`l${line}`)));
    await expect.poll(() => held.length, WAIT).toBe(32);
    const cancelling = await env.BATCH_RUN.getByName(batchId).cancel();
    expect(cancelling?.status).toBe("cancelling");
    for (const end of held) end();
    const view = await ended(batchId);
    expect(view).toMatchObject({ status: "cancelled", totalCount: 40, completedCount: 32 });
    expect(await linesOf(view.outputFileId)).toHaveLength(32);
    expect(submitted).toHaveLength(32);
  });

  it("ends lines that its time was over for, without running them", async () => {
    const { batchId } = await begin([chatLine("a"), chatLine("b")], {
      expiresAtMs: Date.now() - 1,
    });
    const view = await ended(batchId);
    expect(view).toMatchObject({ status: "expired", completedCount: 0, failedCount: 2 });
    expect(await linesOf(view.errorFileId)).toMatchObject([
      { custom_id: "a", response: null, error: { code: "batch_expired" } },
      { custom_id: "b", response: null, error: { code: "batch_expired" } },
    ]);
    expect(submitted).toEqual([]);
  });

  it("fails as a whole without lines without its file, or with one that was changed in the bucket", async () => {
    const { batchId } = await begin(["", " "]);
    expect(await ended(batchId)).toMatchObject({
      status: "failed",
      failure: { code: "empty_file" },
    });
    const gone = await begin([chatLine("a")], { inputFileId: "file_nowhere" });
    expect(await ended(gone.batchId)).toMatchObject({
      status: "failed",
      failure: { code: "file_not_found" },
    });
    await env.ARTIFACTS.put(`${tenantId}/files/file_changed`, chatLine("a"));
    const changed = await begin([chatLine("a")], { inputFileId: "file_changed" });
    expect(await ended(changed.batchId)).toMatchObject({
      status: "failed",
      failure: { code: "file_damaged" },
    });
  });
});
