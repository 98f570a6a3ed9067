// POST /v1/embeddings against a scripted account and hub: what is asked of them, and what comes back.
import { describe, expect, it } from "vitest";
import { NOW_MS, scriptedEdge, TENANT_ID } from "../../test/scripted-edge.ts";

const LIST = {
  object: "list",
  data: [{ object: "embedding", index: 0, embedding: [1, 0] }],
  model: "m",
  usage: { prompt_tokens: 3, total_tokens: 3 },
} as const;

function post(body: unknown): RequestInit {
  return { method: "POST", body: JSON.stringify(body) };
}

describe("POST /v1/embeddings", () => {
  it("holds what the inputs may take and hands on the hub's list", async () => {
    const edge = scriptedEdge({ embed: () => Promise.resolve({ ok: true, list: LIST }) });
    const response = await edge.send("/v1/embeddings", post({ input: ["hé", "b"] }));
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual(LIST);
    // Bytes of both texts and 16 around each.
    expect(edge.asked.admits[0]?.hold?.promptTokensMax).toBe(3 + 1 + 32);
    expect(edge.asked.embeddingRequests).toMatchObject([
      {
        tenantId: TENANT_ID,
        createdMs: NOW_MS,
        endpoint: "embeddings",
        body: { input: ["hé", "b"] },
      },
    ]);
    expect(edge.asked.released).toEqual([]);
  });

  it("refuses mistakes after the key was verified, and gives a hold back that no node took", async () => {
    const error = { code: "no_capacity", message: "none", param: null } as const;
    const edge = scriptedEdge({
      embed: () => Promise.resolve({ ok: false, error, accepted: false }),
    });
    const wrong = await edge.send("/v1/embeddings", post({ input: "a", dimensions: 4 }));
    expect(wrong.status).toBe(400);
    expect(await wrong.json()).toMatchObject({ error: { param: "dimensions" } });
    expect(edge.asked.admits[0]?.hold).toBeNull();
    const full = await edge.send("/v1/embeddings", post({ input: [1, 2] }));
    expect(full.status).toBe(503);
    expect((await edge.send("/v1/embeddings")).status).toBe(405);
  });
});
