// What a client sees of parts that fail in the middle of its answer: a link that is cut, a hub that is killed.
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { killWorkerd } from "./platform/kill-workerd.ts";
import { eventually, Platform, type TestTenant } from "./platform/platform.ts";

let platform: Platform;
let tenant: TestTenant;
beforeAll(async () => {
  platform = await Platform.start();
  tenant = await platform.newTenant("failures");
});
afterAll(() => platform[Symbol.asyncDispose]());

const TOKENS = 160;
const request = {
  messages: [{ role: "user", content: "Tell me a very long story about the sea." }],
  temperature: 0,
  max_tokens: TOKENS,
  ignore_eos: true,
  stream: true,
};

/** One connection's part of a stream. */
interface Part {
  readonly requestId: string;
  readonly ids: readonly number[];
  readonly text: string;
  readonly isDone: boolean;
}

function ask(apiKey = tenant.apiKey): Promise<Response> {
  const headers = { authorization: `Bearer ${apiKey}`, "content-type": "application/json" };
  const body = JSON.stringify(request);
  return fetch(`${platform.edge.edgeUrl}/v1/chat/completions`, { method: "POST", headers, body });
}

function comeBack(requestId: string, lastId: number, apiKey = tenant.apiKey): Promise<Response> {
  return fetch(`${platform.edge.edgeUrl}/v1/fairlane/requests/${requestId}/stream`, {
    headers: { authorization: `Bearer ${apiKey}`, "last-event-id": String(lastId) },
  });
}

/** Reads a stream to its end, or until its connection breaks. */
async function read(response: Response, onId?: (id: number) => void): Promise<Part> {
  let bytes = "";
  const decoder = new TextDecoder();
  const takeIds = () => [...bytes.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));
  try {
    for await (const chunk of response.body ?? []) {
      bytes += decoder.decode(chunk as Uint8Array, { stream: true });
      onId?.(takeIds().at(-1) ?? -1);
    }
  } catch {
    // The connection broke: what came before it counts.
  }
  // An event that was cut in its middle was not received.
  bytes = bytes.slice(0, bytes.lastIndexOf("\n\n") + 2);
  const text = [...bytes.matchAll(/"delta":\{"content":("(?:[^"\\]|\\.)*")\}/g)]
    .map(([, json]) => JSON.parse(json ?? "") as string)
    .join("");
  const requestId = /"id":"chatcmpl-(req_[0-9a-z]+)"/.exec(bytes)?.[1] ?? "";
  return { requestId, ids: takeIds(), text, isDone: bytes.includes("data: [DONE]") };
}

describe("a stream", () => {
  let whole: Part;
  it("has every token's index, rising", async () => {
    whole = await read(await ask());
    expect(whole.isDone).toBe(true);
    expect(whole.ids.at(-1)).toBeLessThan(TOKENS);
    expect(whole.ids).toEqual(whole.ids.toSorted((one, other) => one - other));
  });

  it("has no gap when the links of its node are cut twice and dialled again", async () => {
    const cuts = [20, 60];
    const part = await read(await ask(), (id) => {
      if (id < (cuts[0] ?? Infinity)) return;
      cuts.shift();
      platform.proxy.cut();
    });
    expect(cuts).toEqual([]);
    expect(part.isDone).toBe(true);
    expect(part.ids).toEqual(whole.ids);
    expect(part.text).toBe(whole.text);
    const row = await platform.ledgerRow(part.requestId);
    expect(row).toMatchObject({
      attempt: 1,
      finish_reason: "length",
      billed_output_tokens: TOKENS,
    });
  });

  it("goes on by Last-Event-ID after the hub was killed, for its own tenant only", async () => {
    let killed: Promise<void> | undefined;
    const first = await read(await ask(), (id) => {
      if (id >= 30) killed ??= killWorkerd(platform.edge.edgeUrl);
    });
    await killed;
    expect(first.isDone).toBe(false);
    const last = first.ids.at(-1) ?? -1;
    expect(last).toBeGreaterThanOrEqual(30);
    const stranger = await platform.newTenant("stranger");
    expect((await comeBack(first.requestId, last, stranger.apiKey)).status).toBe(404);
    const second = await read(await comeBack(first.requestId, last));
    expect(second.isDone).toBe(true);
    expect([...first.ids, ...second.ids]).toEqual(whole.ids);
    expect(first.text + second.text).toBe(whole.text);
    const row = await platform.ledgerRow(first.requestId);
    expect(row).toMatchObject({ attempt: 1, billed_output_tokens: TOKENS });
  });

  it("ends at the node within half a second once its client is gone, in the queue and in silence", async () => {
    const { proxy } = platform;
    // More than the node runs at once: some of them wait there.
    const gone = await Promise.all(
      Array.from({ length: 40 }, async () => {
        const controller = new AbortController();
        const headers = { authorization: `Bearer ${tenant.apiKey}` };
        const response = await fetch(`${platform.edge.edgeUrl}/v1/chat/completions`, {
          ...{ method: "POST", headers, signal: controller.signal },
          body: JSON.stringify({ ...request, max_tokens: 1_000 }),
        });
        return { controller, requestId: response.headers.get("x-request-id") ?? "", response };
      }),
    );
    expect(gone.map(({ response }) => response.status)).toEqual(gone.map(() => 200));
    const isCancelled = (requestId: string): boolean =>
      proxy.seen.some(
        ({ type, frame }) => type === "cancel" && (frame["ids"] as string[]).includes(requestId),
      );
    const leftMs = Date.now();
    for (const { controller } of gone) controller.abort();
    await eventually("all cancelled", () =>
      Promise.resolve(gone.every(({ requestId }) => isCancelled(requestId)) ? true : undefined),
    );
    expect(Date.now() - leftMs).toBeLessThan(500 + 250);
    await sleep(0);
  });
});
