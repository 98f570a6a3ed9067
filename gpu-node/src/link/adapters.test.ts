// Requests with adapters on the link: they wait for theirs, nobody waits for them, and heartbeats say what is where.
import type { ErrorValue, SubmitAdapter } from "@fairlane/protocol";
import { afterEach, describe, expect, it } from "vitest";
import { FakeHub } from "./testing/fake-hub.ts";
import { LinkedNode, submitted } from "./testing/linked-node.ts";

const DIGEST = "a".repeat(64);
const ADAPTER: SubmitAdapter = {
  name: "ten_a/x@1",
  digest: DIGEST,
  bytes: 10,
  source: "ten_a/adv_1",
};

let hub: FakeHub;
let node: LinkedNode;
/** Answers the wait for the adapter. */
let arrive: (outcome: ErrorValue | null) => void;
let waits: SubmitAdapter[];

async function start(heartbeatMs = 1_000): Promise<void> {
  waits = [];
  hub = new FakeHub({ heartbeatMs });
  const adapters = {
    ready: (adapter: SubmitAdapter) =>
      new Promise<ErrorValue | null>((resolve) => {
        waits.push(adapter);
        arrive = resolve;
      }),
  };
  node = new LinkedNode({ hubUrl: await hub.url(), adapters });
  await hub.until(() => hub.of("heartbeat").length > 0, "the link");
}

afterEach(async () => {
  await node[Symbol.asyncDispose]();
  await hub[Symbol.asyncDispose]();
});

const submit = (...requests: ReturnType<typeof submitted>[]) =>
  hub.send(0, { type: "submit", requests });
const acceptedIds = () => hub.of("accept").map(({ id }) => id);

describe("requests with adapters", () => {
  it("wait for theirs while others go on, and are answered under its name", async () => {
    await start();
    submit(submitted("waits", {}, { adapter: ADAPTER }), submitted("goes"));
    await hub.until(() => acceptedIds().length === 1, "the request without an adapter");
    expect(acceptedIds()).toEqual(["goes"]);
    expect(waits).toEqual([ADAPTER]);
    arrive(null);
    await hub.until(() => acceptedIds().length === 2, "the request with an adapter");
    expect(hub.of("accept").map(({ id, model }) => [id, model])).toEqual([
      ["goes", "letters"],
      ["waits", "letters:ten_a/x@1"],
    ]);
  });

  it("are refused with what keeps theirs away", async () => {
    await start();
    submit(submitted("waits", {}, { adapter: ADAPTER }));
    await hub.until(() => waits.length === 1, "the wait");
    arrive({ code: "adapter_not_ready", message: "Not yet.", param: "model" });
    await hub.until(() => hub.of("refuse").length === 1, "the refusal");
    expect(hub.of("refuse")).toEqual([
      {
        type: "refuse",
        id: "waits",
        status: 503,
        code: "adapter_not_ready",
        message: "Not yet.",
        param: "model",
      },
    ]);
  });

  it("are taken back while they wait", async () => {
    await start();
    submit(submitted("waits", {}, { adapter: ADAPTER }));
    await hub.until(() => waits.length === 1, "the wait");
    hub.send(0, { type: "cancel", ids: ["waits"] });
    submit(submitted("after"));
    await hub.until(() => acceptedIds().length === 1, "what came after the cancel");
    arrive(null);
    await hub.until(() => hub.of("refuse").length === 1, "the refusal");
    expect(hub.of("refuse")[0]).toMatchObject({ id: "waits", code: "client_closed_request" });
    expect(acceptedIds()).toEqual(["after"]);
  });
});

describe("heartbeats", () => {
  it("say where adapters are when that has changed", async () => {
    await start(50);
    const told = () => hub.of("heartbeat").map(({ adapters }) => adapters);
    await hub.until(() => told().length >= 3, "heartbeats");
    expect(told().slice(0, 3)).toEqual([[], undefined, undefined]);
    node.tiers = [{ digest: DIGEST, tier: "device" }];
    await hub.until(() => told().some((one) => one?.length === 1), "the news");
    const count = told().length;
    await hub.until(() => told().length > count + 1, "two more");
    expect(told().filter((one) => one !== undefined)).toEqual([[], node.tiers]);
  });
});
