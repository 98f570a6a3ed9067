// Owns the load of the bench: closed loops of keep-alive connections that send one prepared chat request again and again,
// and streams that are read to their end. Invariant: any answer but a complete 200 fails the run.
import { Client } from "undici";

/** One of the sides: where a request goes, and what it carries. */
export interface Side {
  readonly name: string;
  readonly origin: string;
  /** Headers of the nth connection. */
  headersOf(connection: number): Record<string, string>;
}

export interface LoadResult {
  readonly requests: number;
  readonly requestsPerSecond: number;
  /** Ascending. */
  readonly latenciesMs: readonly number[];
}

export interface StreamResult {
  readonly text: string;
  readonly ttftMs: number;
  /** Between two events with text. */
  readonly gapsMs: readonly number[];
}

const PATH = "/v1/chat/completions";
const MESSAGES = [{ role: "user", content: "Say something that takes about as many tokens." }];

/** The same request for every side. */
export function chatBody(tokenCount: number, isStream: boolean): string {
  return JSON.stringify({ messages: MESSAGES, max_tokens: tokenCount, stream: isStream });
}

interface Answered {
  readonly status: number;
  readonly body: string;
}

function post(client: Client, headers: Record<string, string>, body: string): Promise<Answered> {
  return new Promise((resolve, reject) => {
    let status = 0;
    const parts: Buffer[] = [];
    client.dispatch(
      { path: PATH, method: "POST", headers, body },
      {
        onRequestStart: () => {},
        onResponseStart: (_, statusCode) => void (status = statusCode),
        onResponseData: (_, part) => void parts.push(part),
        onResponseEnd: () => resolve({ status, body: Buffer.concat(parts).toString("utf8") }),
        onResponseError: (_, error) => reject(error),
      },
    );
  });
}

/** `connections` loops for `durationMs`, one request at a time each. */
export async function closedLoops(
  side: Side,
  load: { readonly connections: number; readonly durationMs: number; readonly tokenCount: number },
): Promise<LoadResult> {
  const body = chatBody(load.tokenCount, false);
  const latenciesMs: number[] = [];
  const startedMs = performance.now();
  const loop = async (connection: number): Promise<void> => {
    const client = new Client(side.origin);
    const headers = { ...side.headersOf(connection), "content-type": "application/json" };
    try {
      while (performance.now() - startedMs < load.durationMs) {
        const sentMs = performance.now();
        const answer = await post(client, headers, body);
        if (answer.status !== 200) {
          throw new Error(`${side.name} answered ${answer.status}: ${answer.body.slice(0, 300)}`);
        }
        latenciesMs.push(performance.now() - sentMs);
      }
    } finally {
      await client.close();
    }
  };
  await Promise.all(Array.from({ length: load.connections }, (_, index) => loop(index)));
  const seconds = (performance.now() - startedMs) / 1_000;
  latenciesMs.sort((a, b) => a - b);
  return {
    requests: latenciesMs.length,
    requestsPerSecond: latenciesMs.length / seconds,
    latenciesMs,
  };
}

/** One stream on a connection of its own, from the sending to its end. */
export function stream(client: Client, headers: Record<string, string>, tokenCount: number) {
  const reader = new StreamReader();
  return new Promise<StreamResult>((resolve, reject) => {
    client.dispatch(
      {
        path: PATH,
        method: "POST",
        headers: { ...headers, "content-type": "application/json" },
        body: chatBody(tokenCount, true),
      },
      {
        onRequestStart: () => {},
        onResponseStart: (_, status) => {
          if (status !== 200) reject(new Error(`a stream was answered with ${status}`));
        },
        onResponseData: (_, part) => reader.data(part.toString("utf8")),
        onResponseEnd: () => resolve(reader.result()),
        onResponseError: (_, error) => reject(error),
      },
    );
  });
}

/** Streams all at once on connections of their own. */
export async function parallelStreams(
  side: Side,
  load: { readonly streams: number; readonly tokenCount: number },
): Promise<StreamResult[]> {
  const clients = Array.from({ length: load.streams }, () => new Client(side.origin));
  try {
    return await Promise.all(
      clients.map((client, index) => stream(client, side.headersOf(index), load.tokenCount)),
    );
  } finally {
    await Promise.all(clients.map((client) => client.close()));
  }
}

class StreamReader {
  readonly #startedMs = performance.now();
  readonly #gapsMs: number[] = [];
  #ttftMs = NaN;
  #lastMs = 0;
  #text = "";
  #rest = "";
  #isDone = false;

  data(part: string): void {
    const events = (this.#rest + part).split("\n\n");
    this.#rest = events.pop() ?? "";
    for (const event of events) this.#event(event);
  }

  result(): StreamResult {
    if (!this.#isDone) throw new Error(`a stream was cut after ${this.#gapsMs.length + 1} tokens`);
    return { text: this.#text, ttftMs: this.#ttftMs, gapsMs: this.#gapsMs };
  }

  #event(event: string): void {
    const data = event
      .split("\n")
      .find((line) => line.startsWith("data:"))
      ?.slice("data:".length)
      .trim();
    if (data === undefined) return;
    if (data === "[DONE]") {
      this.#isDone = true;
      return;
    }
    // Of our own mock's answer.
    const chunk = JSON.parse(data) as { choices: { delta: { content?: string } }[] };
    const content = chunk.choices[0]?.delta.content ?? "";
    if (content === "") return;
    this.#text += content;
    const nowMs = performance.now();
    if (Number.isNaN(this.#ttftMs)) this.#ttftMs = nowMs - this.#startedMs;
    else this.#gapsMs.push(nowMs - this.#lastMs);
    this.#lastMs = nowMs;
  }
}
