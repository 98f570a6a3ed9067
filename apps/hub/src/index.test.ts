import { makeNodeToken, shardOf } from "@fairlane/protocol";
import { env, exports } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { hubRequest, openStream } from "../test/hub-request.ts";
import { helloOf, TestNode } from "../test/test-node.ts";

const random = { fill: (target: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(target) };

function tokenOf(nodeName: string, pepper = env.KEY_PEPPER): Promise<string> {
  return makeNodeToken({ nodeName, pepper, random });
}

function dial(query: string, headers: Record<string, string>): Promise<Response> {
  return exports.default.fetch(`https://hub/wire/v1/link${query}`, { headers });
}

const errorCode = async (response: Response): Promise<unknown> =>
  (await response.json<{ error: { code: string } }>()).error.code;

describe("the hub's door", () => {
  it("answers health checks and nothing else", async () => {
    const health = await exports.default.fetch("https://hub/health");
    expect(await health.json()).toEqual({ status: "ok", region: "local" });
    for (const path of ["/", "/stream", "/v1/models", "/wire/v1/links"]) {
      const response = await exports.default.fetch(`https://hub${path}`);
      expect([response.status, await errorCode(response)]).toEqual([404, "not_found"]);
    }
  });

  it("lets nobody in without a token of this deployment", async () => {
    const forged = await tokenOf("node-a", "another-pepper-than-ours");
    const wrong: Record<string, string>[] = [
      {},
      { authorization: "Bearer" },
      { authorization: "Bearer nonsense" },
      { authorization: `Bearer ${forged}` },
      { authorization: `Basic ${await tokenOf("node-a")}` },
    ];
    for (const headers of wrong) {
      const response = await dial("?shard=0", { upgrade: "websocket", ...headers });
      expect([response.status, await errorCode(response)]).toEqual([401, "invalid_node_token"]);
      expect(response.headers.get("www-authenticate")).toBe("Bearer");
    }
  });

  it.each([
    "",
    "?shard=",
    "?shard=2",
    "?shard=-1",
    "?shard=0x1",
    "?shard=99999",
    "?shard=0&region=moon",
  ])("knows no shard %j of two", async (query) => {
    const authorization = `Bearer ${await tokenOf("node-a")}`;
    const response = await dial(query, { upgrade: "websocket", authorization });
    expect([response.status, await errorCode(response)]).toEqual([404, "not_found"]);
  });

  it("wants a WebSocket", async () => {
    const response = await dial("?shard=0", { authorization: `Bearer ${await tokenOf("node-a")}` });
    expect([response.status, await errorCode(response)]).toEqual([400, "invalid_value"]);
  });

  it("names the node by its token, whatever its headers say", async () => {
    const response = await dial("?shard=0", {
      upgrade: "websocket",
      authorization: `Bearer ${await tokenOf("node-a")}`,
      "x-fairlane-node": "node-b",
    });
    const socket = response.webSocket;
    if (!socket) throw new Error("no WebSocket");
    const node = new TestNode("node-b", socket);
    node.send(helloOf("node-b"));
    expect((await node.closed).reason).toBe("hello of node 'node-b' with the token of 'node-a'");
  });

  it("links a node to both shards, each with its own requests", async () => {
    const nodes: TestNode[] = [];
    const authorization = `Bearer ${await tokenOf("node-a")}`;
    for (const shard of [0, 1]) {
      const { webSocket } = await dial(`?shard=${shard}`, { upgrade: "websocket", authorization });
      if (!webSocket) throw new Error("no WebSocket");
      const node = new TestNode("node-a", webSocket);
      node.send(helloOf("node-a"));
      expect(await node.next("welcome")).toMatchObject({ shard, shard_count: 2 });
      nodes.push(node);
    }
    const shards = new Set<number>();
    for (let i = 0; i < 8; i++) {
      const request = hubRequest();
      const shard = shardOf(request.requestId, 2);
      shards.add(shard);
      const answer = openStream(env.REGION_HUB.getByName(`local:${shard}`), request);
      const node = nodes[shard];
      expect(await node?.accept()).toBe(request.requestId);
      node?.step(request.requestId, { from: 0, text: `token of shard ${shard}` });
      node?.done(request.requestId, 1);
      expect(await (await answer).text()).toContain(`token of shard ${shard}`);
    }
    expect([...shards].sort((left, right) => left - right)).toEqual([0, 1]);
  });
});
