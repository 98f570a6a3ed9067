// A hard budget through both Worker scripts and a real node: an answer ends with `length` when the budget has no more, and
// goes on when it has, though the tiny model is faster than any renewal and the hub is killed meanwhile.
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Fleet } from "./platform/fleet.ts";
import { killWorkerd } from "./platform/kill-workerd.ts";
import { eventually } from "./platform/platform.ts";

const TINY_MODEL = path.resolve(import.meta.dirname, "../fixtures/tiny-llama/hf");

let folder: string;
let fleet: Fleet;
beforeAll(async () => {
  // The tiny model says of itself that it ends at 512 tokens, which is one grant.
  folder = await mkdtemp(path.join(tmpdir(), "fairlane-budget-"));
  await cp(TINY_MODEL, folder, { recursive: true });
  const file = path.join(folder, "config.json");
  const config = JSON.parse(await readFile(file, "utf8")) as Record<string, unknown>;
  await writeFile(file, JSON.stringify({ ...config, max_position_embeddings: 2_048 }));
  fleet = await Fleet.start(["budget-1"], folder);
});
afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const OUTPUT_TOKENS_MAX = 900;
/** What the longest answer may cost, and some. */
const COVERING_NANO_USD = 10 * 2_048 * 400;

function ask(apiKey: string, stream: boolean): Promise<Response> {
  return fetch(`${fleet.edge.edgeUrl}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${apiKey}`, "content-type": "application/json" },
    body: JSON.stringify({
      messages: [{ role: "user", content: "Count." }],
      max_tokens: OUTPUT_TOKENS_MAX,
      ignore_eos: true,
      ...(stream ? { stream, stream_options: { include_usage: true } } : {}),
    }),
  });
}

async function answer(apiKey: string) {
  const response = await ask(apiKey, false);
  const body = (await response.json()) as {
    readonly error?: { readonly code: string };
    readonly choices?: readonly { readonly finish_reason: string }[];
    readonly usage?: { readonly completion_tokens: number };
  };
  return { status: response.status, ...body };
}

async function tenantWith(limitNanoUsd: number) {
  const tenant = await fleet.newTenant("budget");
  const budget = { scope_id: tenant.tenantId, window: "day", mode: "hard" };
  await fleet.admin.changeTenant(tenant.tenantId, {
    budgets: [{ ...budget, limit_nano_usd: limitNanoUsd }],
  });
  /** The budget, once nothing is held any more. */
  const settled = () =>
    eventually("the settlement", async () => {
      const { body } = await fleet.get("/v1/fairlane/budgets", tenant.apiKey);
      const [state] = body["data"] as { spent_nano_usd: number; held_nano_usd: number }[];
      return state?.held_nano_usd === 0 ? state : undefined;
    });
  return { ...tenant, settled };
}

describe("a hard budget", () => {
  it("that covers the first grant only ends the answer there, unpassed", async () => {
    const limitNanoUsd = 512 * 400 + 30_000;
    const { apiKey, settled } = await tenantWith(limitNanoUsd);
    expect(await answer(apiKey)).toMatchObject({
      status: 200,
      choices: [{ finish_reason: "length" }],
      usage: { completion_tokens: 512 },
    });
    const { spent_nano_usd: spent } = await settled();
    expect(spent).toBeGreaterThanOrEqual(512 * 400);
    expect(spent).toBeLessThanOrEqual(limitNanoUsd);
    expect(await answer(apiKey)).toMatchObject({ status: 429, error: { code: "budget_exceeded" } });
  });

  it("that covers the whole answer lets it wait for each grant", async () => {
    const { apiKey, settled } = await tenantWith(COVERING_NANO_USD);
    expect(await answer(apiKey)).toMatchObject({
      choices: [{ finish_reason: "length" }],
      usage: { completion_tokens: OUTPUT_TOKENS_MAX },
    });
    expect((await settled()).spent_nano_usd).toBeGreaterThanOrEqual(OUTPUT_TOKENS_MAX * 400);
  });

  it("renews the grant of a stream that its client comes back to after the hub was killed", async () => {
    const { apiKey } = await tenantWith(COVERING_NANO_USD);
    const response = await ask(apiKey, true);
    const requestId = response.headers.get("x-request-id") ?? "";
    const reader = response.body?.getReader();
    await reader?.read();
    await killWorkerd(fleet.edge.edgeUrl);
    await reader?.cancel().catch(() => undefined);
    const rest = await fetch(`${fleet.edge.edgeUrl}/v1/fairlane/requests/${requestId}/stream`, {
      headers: { authorization: `Bearer ${apiKey}`, "last-event-id": "0" },
    });
    const text = await rest.text();
    expect(text).toContain(`"completion_tokens":${OUTPUT_TOKENS_MAX}`);
    expect(text).toContain("[DONE]");
  });
});
