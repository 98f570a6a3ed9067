import type { ModelCard } from "@fairlane/protocol";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ADMITTED, scriptedEdge } from "../../test/scripted-edge.ts";

const CARD: ModelCard = {
  id: "vendor/small-model",
  createdSeconds: 1_700_000_000,
  contextTokens: 8_192,
  outputTokensDefault: 2_048,
};
const BODY = {
  id: "vendor/small-model",
  object: "model",
  created: 1_700_000_000,
  owned_by: "fairlane",
  context_length: 8_192,
  default_max_output_tokens: 2_048,
};
const lists = { listModels: () => Promise.resolve([CARD]) };

beforeEach(() => void vi.spyOn(console, "error").mockImplementation(() => undefined));
afterEach(() => void vi.restoreAllMocks());

describe("GET /v1/models", () => {
  it("lists what shard 0 has, for a caller who is admitted without a hold", async () => {
    const edge = scriptedEdge(lists);
    const response = await edge.send("/v1/models");
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ object: "list", data: [BODY] });
    expect(edge.asked.hubs).toEqual(["local:0"]);
    expect(edge.asked.admits).toMatchObject([{ scope: "inference", hold: null }]);
  });

  it("lists the models that the key may use", async () => {
    const large = { ...CARD, id: "vendor/large-model" };
    const principal = { ...ADMITTED.principal, allowedModels: ["vendor/large-model"] };
    const edge = scriptedEdge({
      listModels: () => Promise.resolve([CARD, large]),
      admit: () => Promise.resolve({ ...ADMITTED, principal }),
    });
    const list = await (await edge.send("/v1/models")).json<{ data: { id: string }[] }>();
    expect(list.data.map(({ id }) => id)).toEqual(["vendor/large-model"]);
    expect((await edge.send("/v1/models/vendor/small-model")).status).toBe(404);
  });

  it("is not for callers without a key", async () => {
    const edge = scriptedEdge(lists);
    const response = await edge.send("/v1/models", { headers: { authorization: "Bearer sk-1" } });
    expect(response.status).toBe(401);
    expect(edge.asked.hubs).toEqual([]);
  });

  it("is a 503 when the hub cannot be asked", async () => {
    const edge = scriptedEdge({ listModels: () => Promise.reject(new Error("gone")) });
    const response = await edge.send("/v1/models");
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ error: { code: "overloaded" } });
  });
});

describe("GET /v1/models/{id}", () => {
  it.each(["/v1/models/vendor/small-model", "/v1/models/vendor%2Fsmall-model"])(
    "finds the model of %s",
    async (path) => {
      const response = await scriptedEdge(lists).send(path);
      expect(response.status).toBe(200);
      expect(await response.json()).toEqual(BODY);
    },
  );

  it.each(["/v1/models/other", "/v1/models/%ff", "/v1/models/vendor"])(
    "answers %s with a 404 in OpenAI's words",
    async (path) => {
      const response = await scriptedEdge(lists).send(path);
      expect(response.status).toBe(404);
      expect(await response.json()).toEqual({
        error: {
          message: "The model does not exist or you do not have access to it.",
          type: "invalid_request_error",
          param: "model",
          code: "model_not_found",
        },
      });
    },
  );
});
