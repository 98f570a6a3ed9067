// What a node tells its hub of the service it gave, over a real socket.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeHub, type FakeHubOptions } from "./testing/fake-hub.ts";
import { LinkedNode, submitted } from "./testing/linked-node.ts";

let stack: AsyncDisposableStack;

beforeEach(() => {
  stack = new AsyncDisposableStack();
});
afterEach(() => stack.disposeAsync());

async function linked(options: FakeHubOptions = {}) {
  const hub = stack.use(new FakeHub({ heartbeatMs: 50, ...options }));
  const node = stack.use(new LinkedNode({ hubUrl: await hub.url() }));
  await hub.until(() => hub.of("heartbeat").length > 0, "a heartbeat");
  return { hub, node };
}

const cellsOf = (hub: FakeHub) =>
  hub.of("heartbeat").flatMap((heartbeat) => heartbeat.service?.cells ?? []);

describe("cells of service on the link", () => {
  it("go with heartbeats of shard 0: cumulative, and only what changed", async () => {
    const { hub, node } = await linked({ shardCount: 2 });
    await hub.until(() => hub.openShards.length === 2, "both links");
    hub.send(0, { type: "submit", requests: [submitted("r1", {}, { weight: 3 })] });
    await hub.until(() => cellsOf(hub).length === 1, "the live tenant");
    expect(cellsOf(hub)[0]).toMatchObject({ tenant_id: "ten_a", live: true, service_units: 0 });
    node.engine.step();
    node.engine.step();
    await hub.until(() => cellsOf(hub).at(-1)?.live === false, "the last cell");
    expect(cellsOf(hub).at(-1)).toMatchObject({
      weight: 3,
      input_tokens: 5,
      output_tokens: 2,
      // (5 + 2 x 2) x 5,040 units / 3.
      service_units: 15_120,
      requests: 1,
    });
    const beats = hub.frames.filter(({ frame }) => frame.type === "heartbeat");
    expect(
      beats.filter(({ shard }) => shard === 1).every(({ frame }) => !("service" in frame)),
    ).toBe(true);
    const told = cellsOf(hub).length;
    const { length } = hub.of("heartbeat");
    await hub.until(() => hub.of("heartbeat").length > length + 4, "more heartbeats");
    expect(cellsOf(hub)).toHaveLength(told);
  });

  it("are told again, in the same epoch, to a hub that came back", async () => {
    const { hub, node } = await linked();
    hub.send(0, { type: "submit", requests: [submitted("r1", { max_tokens: 1 })] });
    await hub.until(() => hub.of("accept").length === 1, "an accept");
    node.engine.step();
    await hub.until(() => cellsOf(hub).at(-1)?.live === false, "the cell");
    const last = cellsOf(hub).at(-1);
    const { port } = hub;
    await hub[Symbol.asyncDispose]();
    const back = stack.use(new FakeHub({ port, heartbeatMs: 50 }));
    await back.until(() => cellsOf(back).length > 0, "the cell again");
    expect(cellsOf(back)[0]).toEqual(last);
    expect(back.of("heartbeat")[0]?.service?.epoch).toBe(node.journal.epoch);
  });

  it("are answered with the others' service, of which the scheduler hears what is new", async () => {
    const { hub, node } = await linked();
    expect(node.fleet.newsAgeMs).toBeNull();
    const tell = (full: boolean, foreignUnits: number) => {
      const one = { tenant_id: "ten_b", foreign_units: foreignUnits, counter_units: 90 };
      hub.send(0, { type: "service", full, floor_units: 80, tenants: [one] });
    };
    tell(true, 500);
    tell(false, 500);
    tell(false, 530);
    await hub.until(() => node.foreign.length === 3, "the news");
    expect(node.foreign).toEqual([
      // Where the tenant stands above the floor, then what it gains.
      { tenants: [{ tenantId: "ten_b", units: 10 }], floorUnits: 0 },
      { tenants: [], floorUnits: 0 },
      { tenants: [{ tenantId: "ten_b", units: 30 }], floorUnits: 0 },
    ]);
    expect(node.fleet.newsAgeMs).not.toBeNull();
  });
});
