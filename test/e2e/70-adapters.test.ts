// A customer's own adapter from upload to answer: sent with fetch, named with the official client, pulled by the node, not
// there for anybody else, and deleted without breaking what runs.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ALL_LINEAR, writePeft } from "../../gpu-node/src/adapters/testing/peft-folder.ts";
import { Fleet } from "./platform/fleet.ts";
import { eventually } from "./platform/platform.ts";

const SCOPES = ["inference", "adapters:read", "adapters:manage"];
const QUESTION = {
  messages: [{ role: "user" as const, content: "Tell me a word." }],
  temperature: 0,
  max_tokens: 24,
};

interface Tenant {
  readonly tenantId: string;
  readonly apiKey: string;
  readonly openai: OpenAI;
}

interface AdapterView {
  readonly id: string;
  readonly residency: readonly { readonly node: string; readonly tier: string }[] | null;
}

let fleet: Fleet;
let folder: string;
let owner: Tenant;
let other: Tenant;

async function tenant(name: string): Promise<Tenant> {
  const { tenantId } = await fleet.admin.createTenant(name, { requests_per_minute: 1_000_000 });
  const { apiKey } = await fleet.admin.createKey(tenantId, { scopes: SCOPES });
  const baseURL = `${fleet.edge.edgeUrl}/v1`;
  return { tenantId, apiKey, openai: new OpenAI({ apiKey, baseURL, maxRetries: 0 }) };
}

beforeAll(async () => {
  fleet = await Fleet.start(["lora-1"]);
  folder = await mkdtemp(path.join(tmpdir(), "fairlane-adapters-"));
  [owner, other] = [await tenant("owner"), await tenant("other")];
});
afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** Calls the adapters' API as a customer's own program does. */
async function api<T>(
  who: Tenant,
  method: string,
  route: string,
  body?: object | Uint8Array<ArrayBuffer>,
): Promise<T> {
  const response = await fetch(`${fleet.edge.edgeUrl}/v1/fairlane/adapters${route}`, {
    method,
    headers: { authorization: `Bearer ${who.apiKey}` },
    body: body === undefined || body instanceof Uint8Array ? (body ?? null) : JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${method} ${route}: ${await response.text()}`);
  return (await response.json()) as T;
}

/** Uploads a version of an adapter; its id. */
async function upload(who: Tenant, name: string, seed: number): Promise<string> {
  await writePeft(folder, { targets: ALL_LINEAR, rank: 8, alpha: 32, seed, scale: 1 });
  const config = JSON.parse(
    await readFile(path.join(folder, "adapter_config.json"), "utf8"),
  ) as object;
  const weights = new Uint8Array(await readFile(path.join(folder, "adapter_model.safetensors")));
  const { id } = await api<{ id: string }>(who, "POST", "", { name, base_model: "tiny-llama" });
  const announced = { config, bytes: weights.length };
  const { version } = await api<{ version: number }>(who, "POST", `/${id}/versions`, announced);
  await api(who, "PUT", `/${id}/versions/${version}/content`, weights);
  return id;
}

async function answer(who: Tenant, model: string): Promise<{ model: string; text: string }> {
  const completion = await who.openai.chat.completions.create({ ...QUESTION, model });
  return { model: completion.model, text: completion.choices[0]?.message.content ?? "" };
}

const notFound = (who: Tenant, model: string) =>
  expect(answer(who, model), model).rejects.toMatchObject({
    status: 404,
    code: "model_not_found",
  });

describe("a customer's adapter", () => {
  it("answers otherwise than its base, alike each time, under its own name", async () => {
    await upload(owner, "support", 1);
    const base = await answer(owner, "tiny-llama");
    const adapted = await answer(owner, "tiny-llama:support");
    expect(adapted.model).toBe(`tiny-llama:${owner.tenantId}/support@1`);
    expect(adapted.text).not.toBe(base.text);
    expect(await answer(owner, adapted.model)).toEqual(adapted);
    expect(await answer(owner, "tiny-llama")).toEqual(base);
    const models = await owner.openai.models.list();
    expect(models.data.map(({ id }) => id)).toEqual([
      "tiny-llama",
      `tiny-llama:${owner.tenantId}/support`,
    ]);
  });

  it("is not there for another tenant until it is granted", async () => {
    const id = await upload(owner, "shared", 2);
    const model = `tiny-llama:${owner.tenantId}/shared`;
    const own = await answer(owner, model);
    await notFound(other, model);
    await notFound(other, "tiny-llama:shared");
    await api(owner, "PUT", `/${id}/grants/${other.tenantId}`);
    expect(await answer(other, model)).toEqual(own);
    await expect(api(other, "DELETE", `/${id}`)).rejects.toThrow("adapter_not_allowed");
    await api(owner, "DELETE", `/${id}/grants/${other.tenantId}`);
    await notFound(other, model);
  });

  it("is seen where it is", async () => {
    const id = await upload(owner, "seen", 3);
    const where = async () => (await api<AdapterView>(owner, "GET", `/${id}`)).residency;
    expect(await where()).toEqual([]);
    await answer(owner, "tiny-llama:seen");
    const residency = await eventually("the node to say what it has", async () => {
      const told = await where();
      return told === null || told.length === 0 ? undefined : told;
    });
    expect(residency).toEqual([
      { node: "lora-1", tier: expect.stringMatching(/^(device|host)$/) as string },
    ]);
  });

  it("is deleted without breaking the stream that runs, and is gone for the next request", async () => {
    const id = await upload(owner, "short-lived", 4);
    const model = "tiny-llama:short-lived";
    const asked = { ...QUESTION, model, max_tokens: 200, ignore_eos: true };
    const options = { stream: true, stream_options: { include_usage: true } } as const;
    const stream = await owner.openai.chat.completions.create({ ...asked, ...options });
    let isDeleted = false;
    let finish: string | null = null;
    let outputTokens = 0;
    for await (const chunk of stream) {
      if (!isDeleted) await api(owner, "DELETE", `/${id}`);
      isDeleted = true;
      finish = chunk.choices[0]?.finish_reason ?? finish;
      outputTokens = chunk.usage?.completion_tokens ?? outputTokens;
    }
    expect([finish, outputTokens]).toEqual(["length", 200]);
    await notFound(owner, model);
  });
});
