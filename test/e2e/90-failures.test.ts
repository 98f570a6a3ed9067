// What a client sees of parts that fail in the middle of its answer: a link that is cut, a hub that is killed.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { killWorkerd } from "./platform/kill-workerd.ts";
import { eventually, Platform, type TestTenant } from "./platform/platform.ts";

let platform: Platform;
let tenant: TestTenant;
beforeAll(async () => {
  platform = await Platform.start(["--max-running", String(RUNNING_MAX)]);
  tenant = await platform.newTenant("failures");
});
afterAll(() => platform[Symbol.asyncDispose]());

const TOKENS = 160;
const RUNNING_MAX = 24;
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
    const framesBefore = proxy.seen.length;
    // More than the node runs at once: the others wait there.
    const gone = await Promise.all(
      Array.from({ length: RUNNING_MAX + 16 }, async () => {
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
    await proxy.waitFor(({ type, atMs }) => type === "step" && atMs > Date.now() - 100);
    const answered = new Set(
      proxy.seen.slice(framesBefore).flatMap(({ type, frame }) => {
        const deltas = type === "step" ? (frame["deltas"] as { readonly id: string }[]) : [];
        return deltas.map(({ id }) => id);
      }),
    );
    expect(gone.filter(({ requestId }) => !answered.has(requestId)).length).toBeGreaterThan(0);
    const leftMs = Date.now();
    for (const { controller } of gone) controller.abort();
    const cancelMs = (requestId: string): number | undefined =>
      proxy.seen.find(
        ({ type, frame }) => type === "cancel" && (frame["ids"] as string[]).includes(requestId),
      )?.atMs;
    const tookMs = await eventually("all cancelled", () => {
      const times = gone.map(({ requestId }) => (cancelMs(requestId) ?? Infinity) - leftMs);
      return Promise.resolve(times.every(Number.isFinite) ? times : undefined);
    });
    if (process.env["FAIRLANE_E2E_LOGS"]) {
      const sorted = tookMs.toSorted((one, other) => one - other);
      process.stderr.write(`cancel after ms: ${sorted.join(" ")}\n`);
    }
    expect(Math.max(...tookMs)).toBeLessThan(500);
  });
});

describe("a stream with an Idempotency-Key", () => {
  const keyed = (key: string, signal?: AbortSignal) =>
    fetch(`${platform.edge.edgeUrl}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${tenant.apiKey}`, "idempotency-key": key },
      body: JSON.stringify(request),
      ...(signal === undefined ? {} : { signal }),
    });

  let reference: Part;
  beforeAll(async () => {
    reference = await read(await ask());
  });

  it("is computed and billed once when its client drops it and comes again for all of it, then replayed", async () => {
    const controller = new AbortController();
    const first = await keyed("dropped", controller.signal);
    const requestId = first.headers.get("x-request-id") ?? "";
    const partly = read(first, (id) => {
      if (id >= 10) controller.abort();
    });
    expect((await partly).isDone).toBe(false);
    const attached = await keyed("dropped");
    expect(attached.status).toBe(200);
    expect(attached.headers.get("x-fairlane-replayed-request-id")).toBe(requestId);
    const whole = await read(attached);
    expect(whole).toEqual({ ...reference, requestId });
    const replayed = await keyed("dropped");
    expect(replayed.headers.get("idempotent-replayed")).toBe("true");
    expect(await read(replayed)).toEqual(whole);
    expect(await platform.ledgerRow(requestId)).toMatchObject({
      attempt: 1,
      billed_output_tokens: TOKENS,
    });
  });

  it("is not run again when the hub died under it: whoever comes again gets its stream", async () => {
    const first = await keyed("killed");
    const requestId = first.headers.get("x-request-id") ?? "";
    let killed: Promise<void> | undefined;
    await read(first, (id) => {
      if (id >= 10) killed ??= killWorkerd(platform.edge.edgeUrl);
    });
    await killed;
    const submitsBefore = platform.proxy.seen.filter(({ type }) => type === "submit").length;
    const again = await keyed("killed");
    expect([again.status, again.headers.get("x-fairlane-replayed-request-id")]).toEqual([
      200,
      requestId,
    ]);
    const whole = await read(again);
    expect(whole).toEqual({ ...reference, requestId });
    expect(await read(await keyed("killed"))).toEqual(whole);
    const submits = platform.proxy.seen.filter(({ type }) => type === "submit").length;
    expect(submits - submitsBefore).toBe(0);
  });
});
