// Shows how a link begins, ends and comes back, against a hub on a real socket.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeHub, type FakeHubOptions } from "./testing/fake-hub.ts";
import { LinkedNode, submitted } from "./testing/linked-node.ts";

let stack: AsyncDisposableStack;

beforeEach(() => {
  stack = new AsyncDisposableStack();
});
afterEach(() => stack.disposeAsync());

async function dialling(options: FakeHubOptions = {}) {
  const hub = stack.use(new FakeHub(options));
  const node = stack.use(new LinkedNode({ hubUrl: await hub.url(), token: "fln1_node-a_x_y" }));
  return { hub, node };
}

function reasonsOf(node: LinkedNode, event: string): unknown[] {
  return node.logged.filter((line) => line.event === event).map((line) => line.fields["reason"]);
}

describe("HubLink", () => {
  it("sends the node token and is refused without the right one", async () => {
    const { hub, node } = await dialling({ token: "another" });
    await hub.until(() => reasonsOf(node, "link_dial_failed").length > 0, "a failed dial");
    expect(reasonsOf(node, "link_dial_failed")[0]).toBe("Unexpected server response: 401");
    const right = await dialling({ token: "fln1_node-a_x_y" });
    await right.hub.until(() => right.hub.of("heartbeat").length > 0, "a link");
  });

  it("dials again after the hub was gone, with waits that grow", async () => {
    const { hub, node } = await dialling();
    await hub.until(() => hub.of("heartbeat").length > 0, "a link");
    const { port } = hub;
    await hub[Symbol.asyncDispose]();
    await hub.until(() => reasonsOf(node, "link_dial_failed").length >= 1, "failed dials");
    const back = stack.use(new FakeHub({ port }));
    await back.until(() => back.of("heartbeat").length > 0, "the link again");
    expect(node.links.counts).toEqual({ open: 1, wanted: 1 });
  });

  it("gives a hub up that falls silent", async () => {
    const { hub, node } = await dialling({ heartbeatMs: 50 });
    await hub.until(() => hub.of("heartbeat").length > 0, "a link");
    // A stopped hub: its socket is open and nobody reads it.
    hub.socket(0).pause();
    await hub.until(() => hub.dials === 2, "another dial");
    expect(reasonsOf(node, "link_lost")).toEqual(["the hub was silent for 4 heartbeats"]);
  });

  it("stays up while a hub only answers pings", async () => {
    const { hub, node } = await dialling({ heartbeatMs: 50 });
    await hub.until(() => hub.of("heartbeat").length > 12, "a dozen heartbeats");
    expect(hub.dials).toBe(1);
    expect(reasonsOf(node, "link_lost")).toEqual([]);
  });

  it.each([
    ["a welcome of another shard", { shard: 3 }, "welcome of shard 3, not 0"],
    ["a welcome of another region", { region: "mars" }, "welcome of region 'mars'"],
    ["a welcome of another wire version", { wire: 2 }, "welcome.wire"],
  ])("refuses %s", async (_, wrong, reason) => {
    const right = { type: "welcome", wire: 1, region: "local", shard: 0, shard_count: 1 };
    const welcome = () => JSON.stringify({ ...right, heartbeat_ms: 1_000, ...wrong });
    const { hub, node } = await dialling({ welcome });
    const failed = () => reasonsOf(node, "link_dial_failed").length > 0;
    await hub.until(() => hub.closes.length > 0 && failed(), "a close");
    expect(hub.closes[0]?.code).toBe(1008);
    expect(hub.closes[0]?.reason).toContain(reason);
    expect(String(reasonsOf(node, "link_dial_failed")[0])).toContain(reason);
  });

  it.each([
    ["not JSON", "{"],
    ["a submit without requests", '{"type":"submit","requests":[]}'],
    [
      "a second welcome",
      '{"type":"welcome","wire":1,"region":"local","shard":0,"shard_count":1,"heartbeat_ms":9}',
    ],
  ])("closes on %s and dials again", async (_, text) => {
    const { hub, node } = await dialling();
    await hub.until(() => hub.of("heartbeat").length > 0, "a link");
    hub.socket(0).send(text);
    await hub.until(() => hub.closes.length === 1 && hub.dials === 2, "a close and another dial");
    expect(hub.closes[0]?.code).toBe(1008);
    expect(reasonsOf(node, "link_lost")).toHaveLength(1);
  });

  it("closes on a frame before welcome", async () => {
    const ack = { type: "ack", epoch: 1, watermarks: [{ tenant_id: "t", seq: 1 }] };
    const { hub } = await dialling({ welcome: () => JSON.stringify(ack) });
    await hub.until(() => hub.closes.length > 0, "a close");
    expect(hub.closes[0]?.reason).toBe("ack before welcome");
  });

  it("ignores frame types that it does not know, with one log line each", async () => {
    const { hub, node } = await dialling();
    await hub.until(() => hub.of("heartbeat").length > 0, "a link");
    for (const type of ["module", "module", "adapter"]) hub.send(0, { type });
    hub.send(0, { type: "submit", requests: [submitted("r1")] });
    await hub.until(() => hub.of("accept").length === 1, "an accept");
    const ignored = node.logged.filter((line) => line.event === "link_unknown_frame_ignored");
    expect(ignored.map((line) => line.fields["type"])).toEqual(["module", "adapter"]);
    expect(hub.closes).toEqual([]);
  });
});
