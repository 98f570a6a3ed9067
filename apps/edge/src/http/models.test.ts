import {
  createAdapter,
  createAdapterVersion,
  finishAdapterVersion,
  grantAdapter,
  openControlDb,
} from "@fairlane/db";
import type { ModelCard } from "@fairlane/protocol";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { newTenant } from "../../test/live-edge.ts";
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

describe("adapters among the models", () => {
  const named = async (edge: ReturnType<typeof scriptedEdge>, id: string) =>
    (await edge.send(`/v1/models/${encodeURIComponent(id)}`)).status;

  async function adapterOn(baseModel: string, owner: string, name: string): Promise<string> {
    const db = openControlDb(env.CONTROL_DB);
    const id = `adp_${name}`;
    const createdAtMs = 1_700_000_001_999;
    await createAdapter(
      db,
      { id, tenantId: owner, name, baseModel, isPinned: false, createdAtMs },
      10,
    );
    const upload = { partBytes: null, uploadId: null, config: "{}", weightsBytes: 1 };
    await createAdapterVersion(
      db,
      { ...upload, id: `adv_${name}`, adapterId: id, createdAtMs },
      10,
    );
    await finishAdapterVersion(db, `adv_${name}`, "a".repeat(64));
    return id;
  }

  it("are those that tenant and key may use, on bases that are served", async () => {
    const [{ tenantId: own }, { tenantId: other }] = [await newTenant(), await newTenant()];
    const mine = await adapterOn(CARD.id, own, "mine");
    const granted = await adapterOn(CARD.id, other, "granted");
    const createdAtMs = 1;
    const db = openControlDb(env.CONTROL_DB);
    await grantAdapter(db, { adapterId: granted, tenantId: own, createdAtMs }, 10);
    await adapterOn(CARD.id, other, "secret");
    await adapterOn("unserved", own, "nowhere");
    const edgeFor = (allowedAdapters: readonly string[] | null) => {
      const principal = { ...ADMITTED.principal, tenantId: own, allowedAdapters };
      return scriptedEdge({
        ...lists,
        admit: () => Promise.resolve({ ...ADMITTED, principal }),
      });
    };
    const edge = edgeFor(null);
    const list = await (await edge.send("/v1/models")).json<{ data: { id: string }[] }>();
    const [ownId, grantedId] = [`${CARD.id}:${own}/mine`, `${CARD.id}:${other}/granted`];
    expect(list.data.map(({ id }) => id).toSorted()).toEqual(
      [CARD.id, ownId, grantedId].toSorted(),
    );
    expect(list.data.find(({ id }) => id === ownId)).toEqual({
      ...BODY,
      id: ownId,
      created: 1_700_000_001,
      owned_by: own,
      parent: CARD.id,
    });
    for (const [id, status] of [
      [ownId, 200],
      [`${CARD.id}:mine@1`, 200],
      [grantedId, 200],
      [`${CARD.id}:mine@2`, 404],
      [`${CARD.id}:${other}/secret`, 404],
      [`unserved:${own}/nowhere`, 404],
    ] as const) {
      expect(await named(edge, id), id).toBe(status);
    }
    const limited = edgeFor([mine]);
    expect(await named(limited, ownId)).toBe(200);
    expect(await named(limited, grantedId)).toBe(404);
  });
});
