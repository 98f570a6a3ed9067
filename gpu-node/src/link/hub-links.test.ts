// Drives the node's side of the link against a hub on a real socket.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LETTER_MODEL } from "../stream/testing/letter-model.ts";
import { FakeHub, type FakeHubOptions } from "./testing/fake-hub.ts";
import { LinkedNode, submitted } from "./testing/linked-node.ts";

let stack: AsyncDisposableStack;

beforeEach(() => {
  stack = new AsyncDisposableStack();
});
afterEach(() => stack.disposeAsync());

async function linked(options: FakeHubOptions = {}): Promise<{ hub: FakeHub; node: LinkedNode }> {
  const hub = stack.use(new FakeHub(options));
  const node = stack.use(new LinkedNode({ hubUrl: await hub.url() }));
  await hub.until(
    () => hub.of("heartbeat").length >= (options.shardCount ?? 1),
    "the first heartbeats",
  );
  return { hub, node };
}

describe("HubLinks", () => {
  it("says hello to every shard that the first welcome names", async () => {
    const { hub } = await linked({ shardCount: 3 });
    expect(hub.openShards).toEqual([0, 1, 2]);
    expect(hub.of("hello")).toHaveLength(3);
    expect(hub.of("heartbeat")[0]).toMatchObject({
      load: { running: 1, waiting: 2, pages_free: 3, pages_total: 4 },
      draining: false,
    });
  });

  it("accepts, streams one frame a step, and ends with done and usage", async () => {
    const { hub, node } = await linked();
    const requests = [submitted("req_1"), submitted("req_2", { max_tokens: 1 })];
    hub.send(0, { type: "submit", requests });
    await hub.until(() => hub.of("accept").length === 2, "two accepts");
    node.engine.step();
    node.engine.step();
    await hub.until(() => hub.of("usage").length > 0, "usage");
    const work = hub.frames
      .map(({ frame }) => frame)
      .filter(({ type }) => !/hello|heartbeat/.test(type));
    expect(work.slice(0, 6)).toEqual([
      { type: "accept", id: "req_1", model: "letters", prompt_tokens: 5 },
      { type: "accept", id: "req_2", model: "letters", prompt_tokens: 5 },
      {
        type: "step",
        step: 1,
        deltas: [
          { id: "req_1", from: 0, n: 1, text: "a" },
          { id: "req_2", from: 0, n: 1, text: "a" },
        ],
      },
      {
        type: "done",
        id: "req_2",
        finish_reason: "length",
        usage: { prompt_tokens: 5, cached_tokens: 0, completion_tokens: 1 },
        error: null,
      },
      expect.objectContaining({ type: "usage", node_id: "node-a", epoch: node.journal.epoch }),
      { type: "step", step: 2, deltas: [{ id: "req_1", from: 1, n: 1, text: "b" }] },
    ]);
    expect(hub.of("done")).toHaveLength(2);
  });

  it("counts a prompt without journal or engine, however long, and refuses what it cannot", async () => {
    const { hub, node } = await linked();
    const counting = (id: string, body: Parameters<typeof submitted>[1] = {}) => {
      const request = submitted(id, body);
      if (request.endpoint !== "chat.completions") throw new Error("not a chat");
      return { ...request, endpoint: "count_tokens" } as const;
    };
    const messages = [{ role: "user" as const, content: "x".repeat(10_000) }];
    hub.send(0, {
      type: "submit",
      requests: [
        counting("req_1"),
        counting("req_2", { messages }),
        counting("req_3", { model: "m" }),
      ],
    });
    await hub.until(() => hub.of("done").length === 2 && hub.of("refuse").length === 1, "answers");
    expect(hub.of("accept")[0]).toEqual({
      type: "accept",
      id: "req_1",
      model: "letters",
      prompt_tokens: 5,
    });
    expect(hub.of("done")[0]).toEqual({
      type: "done",
      id: "req_1",
      finish_reason: "stop",
      usage: { prompt_tokens: 5, cached_tokens: 0, completion_tokens: 0 },
      error: null,
    });
    expect(hub.of("done")[1]?.usage.prompt_tokens).toBeGreaterThan(LETTER_MODEL.contextTokens);
    expect(hub.of("refuse")[0]).toMatchObject({ id: "req_3", code: "model_not_found" });
    expect(node.engine.submitted).toEqual([]);
    expect(hub.of("usage")).toEqual([]);
  });

  it("hands the engine what a request is granted, first and later, for each of its answers", async () => {
    const { hub, node } = await linked();
    const requests = [
      submitted("req_1", { n: 2 }, { grant_tokens: 1, grant_may_grow: true }),
      submitted("req_2", {}, { grant_tokens: 9 }),
      submitted("req_3"),
    ];
    hub.send(0, { type: "submit", requests });
    await hub.until(() => hub.of("accept").length === 3, "accepts");
    expect(node.engine.submitted.map(({ grant }) => grant)).toEqual([
      { tokens: 1, mayGrow: true },
      { tokens: 9, mayGrow: false },
      undefined,
    ]);
    const ids = [node.engine.submitted[0], ...(node.engine.submitted[0]?.forks ?? [])];
    const grants = [
      { id: "req_1", output_tokens: 2, may_grow: true as const },
      { id: "req_unknown", output_tokens: 9 },
    ];
    hub.send(0, { type: "grant", grants });
    await hub.until(() => node.granted.length > 0, "the grant");
    const grant = { tokens: 2, mayGrow: true };
    expect(node.granted).toEqual([{ ids: ids.map((one) => one?.requestId), grant }]);
  });

  it("hands all requests that came together to the engine in one message", async () => {
    const { hub, node } = await linked();
    hub.send(0, { type: "submit", requests: [submitted("r1"), submitted("r2"), submitted("r3")] });
    await hub.until(() => hub.of("accept").length === 3, "three accepts");
    expect(node.engine.submitted.map((request) => request.requestId)).toEqual(["r1", "r2", "r3"]);
  });

  it.each([
    ["model_not_found", 404, "model", submitted("r", { model: "other" })],
    [
      "context_length_exceeded",
      400,
      "messages",
      submitted("r", { messages: [{ role: "user", content: "x".repeat(64) }] }),
    ],
    ["context_length_exceeded", 400, "messages", submitted("r", { max_tokens: 60 })],
    [
      "invalid_messages",
      400,
      "messages",
      submitted("r", { messages: [{ role: "user", content: "refuse" }] }),
    ],
    ["queue_timeout", 503, null, submitted("r", {}, { deadline_ms: 1 })],
  ])("refuses with %s", async (code, status, param, request) => {
    const { hub, node } = await linked();
    hub.send(0, { type: "submit", requests: [request] });
    await hub.until(() => hub.of("refuse").length === 1, "a refuse");
    expect(hub.of("refuse")[0]).toMatchObject({ id: "r", code, status, param });
    expect(node.engine.submitted).toEqual([]);
    expect(node.journal.pending(0, 10)).toBeUndefined();
  });

  it("refuses while the node takes nothing, and says so in its heartbeat", async () => {
    const { hub, node } = await linked();
    node.refusal = { code: "draining", message: "going down", param: null };
    node.links.sendHeartbeats();
    hub.send(0, { type: "submit", requests: [submitted("r1")] });
    await hub.until(() => hub.of("refuse").length === 1, "a refuse");
    expect(hub.of("refuse")[0]).toMatchObject({ code: "draining", status: 503 });
    expect(hub.of("heartbeat").at(-1)?.draining).toBe(true);
  });

  it("refuses a second submit of a live id and lets the first go on", async () => {
    const { hub, node } = await linked();
    hub.send(0, { type: "submit", requests: [submitted("r1"), submitted("r1")] });
    hub.send(0, { type: "submit", requests: [submitted("r1")] });
    await hub.until(
      () => hub.of("refuse").length === 2 && hub.of("accept").length === 1,
      "answers",
    );
    expect(hub.of("refuse")[0]).toMatchObject({ code: "already_exists", status: 409 });
    node.engine.step();
    await hub.until(() => hub.of("step").length === 1, "a step");
  });

  it("cancels at the engine, sends nothing but done afterwards, and records what was computed", async () => {
    const { hub, node } = await linked();
    hub.send(0, { type: "submit", requests: [submitted("r1", { max_tokens: 9 })] });
    await hub.until(() => hub.of("accept").length === 1, "an accept");
    node.engine.step();
    hub.send(0, { type: "cancel", ids: ["r1", "unknown"] });
    await hub.until(() => hub.of("usage").length === 1, "usage");
    expect(hub.of("done")[0]).toMatchObject({ finish_reason: "cancelled" });
    expect(hub.of("usage")[0]?.records[0]).toMatchObject({
      request_id: "r1",
      finish_reason: "cancelled",
      computed_prompt_tokens: 5,
      output_tokens: 1,
    });
  });

  it("cancels a request that is still being prepared", async () => {
    const { hub, node } = await linked();
    hub.send(0, { type: "submit", requests: [submitted("r1")] });
    hub.send(0, { type: "cancel", ids: ["r1"] });
    await hub.until(() => hub.of("refuse").length + hub.of("done").length === 1, "an end");
    expect(node.engine.liveCount).toBe(0);
  });

  it("cancels the requests of a lost link for a hub that cannot resume, keeps others, and reports usage", async () => {
    const { hub, node } = await linked({ shardCount: 2 });
    hub.send(0, { type: "submit", requests: [submitted("r0", { max_tokens: 9 })] });
    hub.send(1, { type: "submit", requests: [submitted("r1", { max_tokens: 9 })] });
    await hub.until(() => hub.of("accept").length === 2, "accepts");
    node.engine.step();
    hub.socket(0).terminate();
    await hub.until(() => node.engine.cancelled.length > 0, "a cancel after the reconnect");
    expect(node.engine.cancelled).toEqual(["r0"]);
    node.engine.step();
    await hub.until(() => hub.of("usage").length === 1, "usage after the reconnect");
    expect(hub.of("usage")[0]?.records[0]).toMatchObject({ request_id: "r0", output_tokens: 1 });
    const late = () => hub.of("step").filter(({ step }) => step > 1);
    await hub.until(() => late().length > 0, "the other link's step");
    expect(late().flatMap(({ deltas }) => deltas.map(({ id }) => id))).toEqual(["r1"]);
  });

  it("refuses with internal_error what a bug keeps from being prepared, and logs no prompt", async () => {
    const hub = stack.use(new FakeHub());
    const encodeChat = () => Promise.reject(new TypeError("the prompt"));
    const model = { ...LETTER_MODEL, encodeChat };
    const node = stack.use(new LinkedNode({ hubUrl: await hub.url(), model }));
    await hub.until(() => hub.of("heartbeat").length > 0, "a link");
    hub.send(0, { type: "submit", requests: [submitted("r1")] });
    await hub.until(() => hub.of("refuse").length === 1, "a refuse");
    expect(hub.of("refuse")[0]).toMatchObject({ code: "internal_error", status: 500 });
    expect(node.logged.find((line) => line.event === "prepare_failed")?.fields["fault"]).toBe(
      "TypeError",
    );
    expect(JSON.stringify(node.logged)).not.toContain("the prompt");
  });

  it("gives up a hub that takes frames too slowly", async () => {
    const hub = stack.use(new FakeHub());
    const long = "x".repeat(256 * 1024);
    const model = {
      ...LETTER_MODEL,
      makeDetokenizer: () => ({ push: () => long, flush: () => "" }),
    };
    const node = stack.use(new LinkedNode({ hubUrl: await hub.url(), model }));
    await hub.until(() => hub.of("heartbeat").length > 0, "a link");
    const requests = Array.from({ length: 8 }, (_, index) =>
      submitted(`r${index}`, { max_tokens: 50 }),
    );
    hub.send(0, { type: "submit", requests });
    await hub.until(() => hub.of("accept").length === 8, "accepts");
    hub.socket(0).pause();
    // 2 MB a step: past the bound of 32 MB well before the last step.
    for (let step = 0; step < 40; step++) node.engine.step();
    await hub.until(() => node.engine.liveCount === 0, "the end of the link's requests");
    const lost = node.logged.find((line) => line.event === "link_lost");
    expect(lost?.fields["reason"]).toMatch(/^the hub takes frames too slowly: \d+ bytes wait$/);
  });

  it("sends usage again until it is acknowledged, also from the next process", async () => {
    const { hub, node } = await linked();
    hub.send(0, {
      type: "submit",
      requests: [submitted("r1", { max_tokens: 1 }), submitted("r2")],
    });
    await hub.until(() => hub.of("accept").length === 2, "accepts");
    node.engine.step();
    await hub.until(() => hub.of("usage").length === 1, "usage");
    const { epoch, folder } = { epoch: node.journal.epoch, folder: node.folder };
    await node.kill();
    const next = stack.use(new LinkedNode({ hubUrl: await hub.url(), folder }));
    await hub.until(() => hub.of("usage").length === 2, "usage of the next process");
    const again = hub.of("usage")[1];
    expect(again?.epoch).toBe(epoch);
    expect(
      again?.records.map((record) => [record.request_id, record.seq, record.finish_reason]),
    ).toEqual([
      ["r1", 1, "length"],
      ["r2", 2, "node_lost"],
    ]);
    hub.send(0, { type: "ack", epoch, watermarks: [{ tenant_id: "ten_a", seq: 2 }] });
    await hub.until(() => next.journal.unackedRecords === 0, "the ack");
  });
});
