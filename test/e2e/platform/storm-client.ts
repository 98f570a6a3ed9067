// Owns one request of a storm as its client sees it: streamed or whole, read to its end, given up at a chosen token, or
// gone on with after a broken connection; and how many tokens have arrived. A failure of the platform is an outcome.
import { setTimeout as sleep } from "node:timers/promises";
import type { StormTenant } from "./storm-fleet.ts";

export interface StormRequest {
  readonly edgeUrl: string;
  readonly tenant: StormTenant;
  readonly isStreamed: boolean;
  readonly maxTokens: number;
  /** Gives up once it has so many tokens; 0: as soon as the status line is there. Null: reads to the end. */
  readonly leaveAfterTokens: number | null;
  /** Comes back with Last-Event-ID when the connection broke. */
  readonly comesBack: boolean;
  readonly content: string;
}

export interface Received {
  /** As the edge named it; null when it never answered. */
  readonly requestId: string | null;
  readonly status: number;
  readonly tokens: number;
  /** The client went before the end. */
  readonly hasLeft: boolean;
  /** The rest came over another connection. */
  readonly hasComeBack: boolean;
  /** Tokens whose index was not above the one before it. */
  readonly repeatedTokens: number;
}

const BACK_TRIES = 40;
const BACK_PAUSE_MS = 100;

/** Sends the request and follows it. Never rejects. */
export async function sendStormRequest(request: StormRequest): Promise<Received> {
  const { edgeUrl, tenant, content, maxTokens, isStreamed, comesBack } = request;
  const reader = new StormReader(request.leaveAfterTokens);
  const authorization = `Bearer ${tenant.apiKey}`;
  const response = await fetch(`${edgeUrl}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization, "content-type": "application/json" },
    body: JSON.stringify({
      messages: [{ role: "user", content }],
      max_tokens: maxTokens,
      ignore_eos: true,
      stream: isStreamed,
    }),
    signal: reader.signal,
  }).catch(() => undefined);
  const status = response?.status ?? 0;
  const requestId = response?.headers.get("x-request-id") ?? null;
  let hasComeBack = false;
  if (response !== undefined && status === 200) {
    if (isStreamed) {
      await reader.read(response);
      if (comesBack) hasComeBack = await comeBack({ edgeUrl, authorization, requestId, reader });
    } else reader.tokens = completionTokens(await response.json().catch(() => null));
  }
  const { tokens, hasLeft, repeatedTokens } = reader;
  return { requestId, status, tokens, hasLeft, hasComeBack, repeatedTokens };
}

/** Reads the rest of a stream that broke; true when some of it came. */
async function comeBack(broken: {
  readonly edgeUrl: string;
  readonly authorization: string;
  readonly requestId: string | null;
  readonly reader: StormReader;
}): Promise<boolean> {
  const { edgeUrl, authorization, requestId, reader } = broken;
  const url = `${edgeUrl}/v1/fairlane/requests/${requestId ?? ""}/stream`;
  let hasComeBack = false;
  for (let tries = 0; !reader.isOver && tries < BACK_TRIES; tries++) {
    await sleep(BACK_PAUSE_MS);
    // Without a token there is nothing to name.
    const lastId = reader.tokens > 0 ? { "last-event-id": String(reader.tokens - 1) } : {};
    const headers = { authorization, ...lastId };
    const back = await fetch(url, { headers }).catch(() => undefined);
    if (back?.status === 404) break;
    if (back?.status !== 200) continue;
    hasComeBack = true;
    await reader.read(back);
  }
  return hasComeBack;
}

class StormReader {
  tokens = 0;
  hasLeft = false;
  repeatedTokens = 0;
  #isDone = false;
  readonly #leave = new AbortController();
  readonly #leaveAfterTokens: number | null;

  constructor(leaveAfterTokens: number | null) {
    this.#leaveAfterTokens = leaveAfterTokens;
  }

  get signal(): AbortSignal {
    return this.#leave.signal;
  }

  get isOver(): boolean {
    return this.#isDone || this.hasLeft;
  }

  /** Reads until the end, until the client leaves, or until the connection breaks. */
  async read(response: Response): Promise<void> {
    let rest = "";
    const decoder = new TextDecoder();
    this.#leaveWhenDue();
    try {
      for await (const chunk of response.body ?? []) {
        const events = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split("\n\n");
        // What was cut in its middle was not received.
        rest = events.pop() ?? "";
        for (const event of events) this.#event(event);
        this.#leaveWhenDue();
        if (this.hasLeft) break;
      }
    } catch {
      // The platform broke the connection, or the client itself did.
    }
  }

  #event(event: string): void {
    const id = /^id: (\d+)$/m.exec(event)?.[1];
    if (id !== undefined) {
      if (Number(id) < this.tokens) this.repeatedTokens += 1;
      this.tokens = Number(id) + 1;
    }
    // An error event is the platform's word that there will be no more.
    if (event === "data: [DONE]" || event.startsWith("event: error")) this.#isDone = true;
  }

  #leaveWhenDue(): void {
    if (this.#leaveAfterTokens === null || this.tokens < this.#leaveAfterTokens) return;
    this.hasLeft = true;
    this.#leave.abort();
  }
}

function completionTokens(body: unknown): number {
  const usage = (body as { readonly usage?: { readonly completion_tokens?: number } } | null)
    ?.usage;
  return usage?.completion_tokens ?? 0;
}
