// The door where nodes pull adapters, with a real bucket behind it.
import { adapterObjects, makeNodeToken } from "@fairlane/protocol";
import { env, exports } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";

const random = { fill: (target: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(target) };
const DIGEST = "ab".repeat(32);
const SOURCE = "ten_a/adv_1";
const WEIGHTS = `/wire/v1/adapters/${DIGEST}/adapter_model.safetensors?source=${SOURCE}`;
const CONFIG = `/wire/v1/adapters/${DIGEST}/adapter_config.json?source=${SOURCE}`;

async function pull(path: string, headers: Record<string, string> = {}, method = "GET") {
  const token = await makeNodeToken({ nodeName: "node-a", pepper: env.KEY_PEPPER, random });
  return exports.default.fetch(`https://hub${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...headers },
  });
}

const errorCode = async (response: Response): Promise<unknown> =>
  (await response.json<{ error: { code: string } }>()).error.code;

beforeEach(async () => {
  const keys = adapterObjects({ tenantId: "ten_a", versionId: "adv_1" });
  await env.ARTIFACTS.put(keys.weights, "0123456789");
  await env.ARTIFACTS.put(keys.config, "{}", { customMetadata: { digest: DIGEST } });
});

describe("the door of adapters", () => {
  it("streams both files to a node", async () => {
    const [weights, config] = [await pull(WEIGHTS), await pull(CONFIG)];
    expect([weights.status, weights.headers.get("content-length")]).toEqual([200, "10"]);
    expect([await weights.text(), await config.text()]).toEqual(["0123456789", "{}"]);
  });

  it("goes on from the byte where a node stopped", async () => {
    const rest = await pull(WEIGHTS, { range: "bytes=7-" });
    expect([rest.status, rest.headers.get("content-range")]).toEqual([206, "bytes 7-9/10"]);
    expect(await rest.text()).toBe("789");
    const beyond = await pull(WEIGHTS, { range: "bytes=10-" });
    expect([beyond.status, await errorCode(beyond)]).toEqual([400, "invalid_value"]);
  });

  it("is for nodes only, and for reading", async () => {
    for (const authorization of ["", "Bearer nonsense", "Bearer fl1_key"]) {
      const response = await pull(WEIGHTS, { authorization });
      expect([response.status, await errorCode(response)]).toEqual([401, "invalid_node_token"]);
    }
    const written = await pull(WEIGHTS, {}, "PUT");
    expect([written.status, await errorCode(written)]).toEqual([405, "method_not_allowed"]);
  });

  it.each([
    ["another digest", WEIGHTS.replaceAll("ab", "cd")],
    ["another version", WEIGHTS.replace("adv_1", "adv_2")],
    ["another tenant", WEIGHTS.replace("ten_a", "ten_b")],
    ["another file", WEIGHTS.replace("adapter_model.safetensors", "tokenizer.json")],
    ["no source", WEIGHTS.replace(/\?.*/, "")],
    ["a source that climbs", WEIGHTS.replace("ten_a/adv_1", "ten_a/../files/f")],
    ["no digest", "/wire/v1/adapters/"],
  ])("does not find %s", async (_, path) => {
    const response = await pull(path);
    expect([response.status, await errorCode(response)]).toEqual([404, "not_found"]);
  });

  it("does not find weights whose configuration is gone", async () => {
    const keys = adapterObjects({ tenantId: "ten_a", versionId: "adv_1" });
    await env.ARTIFACTS.delete(keys.config);
    expect((await pull(WEIGHTS)).status).toBe(404);
  });
});
