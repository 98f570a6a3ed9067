import type { HubEmbeddingRequest } from "@fairlane/protocol";
import { describe, expect, it } from "vitest";
import { freshHub, hubRequest } from "../../test/hub-request.ts";
import { MODEL, TestNode } from "../../test/test-node.ts";

const EMBEDS = { models: [{ ...MODEL, endpoints: ["embeddings"] }] };
/** 0.5 and -2 as little-endian f32. */
const HALF_AND_MINUS_TWO = "AAAAPwAAAMA=";
const USAGE = { prompt_tokens: 7, cached_tokens: 0, completion_tokens: 0 };

function embeddingRequest(body: Partial<HubEmbeddingRequest["body"]> = {}): HubEmbeddingRequest {
  return { ...hubRequest(), endpoint: "embeddings", body: { input: "Hi", ...body } };
}

describe("an embeddings request", () => {
  it("goes out as one and comes back as numbers, or as the text that was sent", async () => {
    const hub = freshHub();
    const node = await TestNode.link(hub, "node-a", EMBEDS);
    for (const encoding_format of ["float", "base64"] as const) {
      const outcome = hub.embed(embeddingRequest({ encoding_format }));
      const { requests } = await node.next("submit");
      expect(requests).toMatchObject([{ endpoint: "embeddings", body: { input: "Hi" } }]);
      const { id } = requests[0] ?? { id: "" };
      node.send({ type: "accept", id, model: "tiny", prompt_tokens: 7 });
      const embeddings = [HALF_AND_MINUS_TWO];
      node.send({ type: "done", id, finish_reason: "stop", usage: USAGE, embeddings, error: null });
      const embedding = encoding_format === "float" ? [0.5, -2] : HALF_AND_MINUS_TWO;
      expect(await outcome).toEqual({
        ok: true,
        list: {
          object: "list",
          data: [{ object: "embedding", index: 0, embedding }],
          model: "tiny",
          usage: { prompt_tokens: 7, total_tokens: 7 },
        },
      });
    }
  });

  it("never goes to a node that does not say it serves them", async () => {
    const hub = freshHub();
    await TestNode.link(hub, "node-old");
    expect(await hub.embed(embeddingRequest())).toMatchObject({
      ok: false,
      error: { code: "model_not_found" },
      accepted: false,
    });
    const node = await TestNode.link(hub, "node-new", EMBEDS);
    const outcome = hub.embed(embeddingRequest());
    const id = await node.accept();
    node.send({ type: "done", id, finish_reason: "error", usage: USAGE, error: null });
    expect(await outcome).toMatchObject({ ok: false, accepted: true });
  });
});
