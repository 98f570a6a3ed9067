// What of adapters passes through the hub: what a request runs with, and where nodes have what.
import { expect, describe, it } from "vitest";
import { freshHub, hubRequest, openStream, uniqueId } from "../../test/hub-request.ts";
import { TestNode } from "../../test/test-node.ts";

const [ONE, TWO] = ["1".repeat(64), "2".repeat(64)];
const LOAD = { running: 0, waiting: 0, pages_free: 10, pages_total: 10 };

type Tiers = readonly { readonly digest: string; readonly tier: "device" | "host" | "disk" }[];

/** Says where a node has adapters, and waits until the hub has heard it. */
async function tell(node: TestNode, adapters?: Tiers): Promise<void> {
  const told = adapters === undefined ? {} : { adapters: [...adapters] };
  node.send({ type: "heartbeat", sent_at_ms: 1, load: LOAD, draining: false, ...told });
  const id = uniqueId("ghost");
  node.step(id, { from: 0, text: "" });
  await node.next("cancel");
}

describe("adapters at the hub", () => {
  it("submits a request with its adapter, and one without none", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a");
    const adapter = { name: "ten_a/x@1", digest: ONE, bytes: 10, source: "ten_a/adv_1" };
    for (const change of [{ adapter }, {}]) {
      const answer = openStream(hub, hubRequest(change));
      const { requests } = await node.next("submit");
      expect(requests.map((one) => one.adapter)).toEqual([
        "adapter" in change ? adapter : undefined,
      ]);
      const id = requests[0]?.id ?? "";
      node.send({ type: "accept", id, model: "tiny", prompt_tokens: 1 });
      node.done(id, 0);
      await (await answer).text();
    }
  });

  it("knows where nodes have which adapter, as they said last, and forgets lost nodes", async () => {
    const hub = freshHub();
    const [a, b] = [await TestNode.link(hub, "node-a"), await TestNode.link(hub, "node-b")];
    await tell(a, [
      { digest: ONE, tier: "device" },
      { digest: TWO, tier: "disk" },
    ]);
    await tell(b, [{ digest: ONE, tier: "host" }]);
    // Nothing said is nothing changed.
    await tell(b);
    expect(await hub.adapterResidency([ONE, "3".repeat(64)])).toEqual([
      { nodeId: "node-a", digest: ONE, tier: "device" },
      { nodeId: "node-b", digest: ONE, tier: "host" },
    ]);
    await tell(b, []);
    expect(await hub.adapterResidency([ONE, TWO])).toEqual([
      { nodeId: "node-a", digest: ONE, tier: "device" },
      { nodeId: "node-a", digest: TWO, tier: "disk" },
    ]);
    // A new link of the node begins without any.
    await TestNode.link(hub, "node-a", { epoch: 2 });
    expect(await hub.adapterResidency([ONE, TWO])).toEqual([]);
  });
});
