import type { ModelCard } from "@fairlane/protocol";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { scriptedEdge } from "../../test/scripted-edge.ts";

const CARD: ModelCard = { id: "m", createdSeconds: 1, contextTokens: 8, outputTokensDefault: 4 };
const anonymous = { headers: { authorization: "" } };

beforeEach(() => void vi.spyOn(console, "error").mockImplementation(() => undefined));
afterEach(() => void vi.restoreAllMocks());

describe("GET /health", () => {
  it("answers without a key and without asking anybody", async () => {
    const edge = scriptedEdge();
    const response = await edge.send("/health", anonymous);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ status: "ok" });
    expect(edge.asked.hubs).toEqual([]);
  });
});

describe("GET /ready", () => {
  it("is ready when every shard has a node", async () => {
    const edge = scriptedEdge({ listModels: () => Promise.resolve([CARD]) });
    const response = await edge.send("/ready", anonymous);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ status: "ready" });
    expect(edge.asked.hubs).toEqual(["local:0", "local:1"]);
  });

  it.each([
    ["has no node", () => Promise.resolve([])],
    ["cannot be asked", () => Promise.reject(new Error("gone"))],
  ])("is not ready when one shard %s", async (_, other) => {
    const answers: (() => Promise<readonly ModelCard[]>)[] = [() => Promise.resolve([CARD]), other];
    const edge = scriptedEdge({ listModels: () => answers.shift()?.() ?? Promise.resolve([CARD]) });
    const response = await edge.send("/ready", anonymous);
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ error: { code: "no_capacity" } });
  });

  it("repeats its answer instead of asking the hubs each time", async () => {
    const edge = scriptedEdge({ listModels: () => Promise.resolve([CARD]) });
    for (let index = 0; index < 5; index++) await edge.send("/ready", anonymous);
    expect(edge.asked.hubs).toEqual(["local:0", "local:1"]);
  });
});
