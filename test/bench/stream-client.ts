// Owns one streaming request of a bench: it is sent, timed token by token as the client sees it, and counted. What the
// times mean is the scenario's. Invariant: tokens that came in one event are one gap and zeros, as [Metron] Sec. 3
// counts them.
import { z } from "zod";

export interface StreamRequest {
  readonly url: string;
  readonly content: string;
  readonly outputTokens: number;
  readonly signal: AbortSignal;
}

export interface Timeline {
  /** Before each token, in whole microseconds; the first one counts from the sending. */
  readonly gapsUs: readonly number[];
  readonly promptTokens: number;
  readonly outputTokens: number;
}

const usageChunk = z.object({
  usage: z.object({ prompt_tokens: z.int(), completion_tokens: z.int() }),
});

/** Sends the request and follows it to its end; throws when it does not end well. */
export async function streamTimeline(request: StreamRequest): Promise<Timeline> {
  const clock = new TokenClock();
  const response = await fetch(`${request.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      messages: [{ role: "user", content: request.content }],
      stream: true,
      stream_options: { include_usage: true },
      max_tokens: request.outputTokens,
      ignore_eos: true,
      temperature: 0,
    }),
    signal: request.signal,
  });
  if (!response.ok || response.body === null) {
    throw new Error(`the node answered ${response.status}: ${await response.text()}`);
  }
  let rest = "";
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    const events = (rest + text).split("\n\n");
    rest = events.pop() ?? "";
    for (const event of events) clock.event(event);
  }
  return clock.timeline();
}

class TokenClock {
  readonly #gapsUs: number[] = [];
  #lastMs = performance.now();
  #usage: z.infer<typeof usageChunk>["usage"] | null = null;
  #isDone = false;

  event(text: string): void {
    const fields = new Map(text.split("\n").map((line) => splitField(line)));
    const data = fields.get("data") ?? "";
    if (data === "[DONE]") this.#isDone = true;
    if (fields.get("event") === "error") throw new Error(`the stream ended with ${data}`);
    // An event's id is the index of the last token that it brings.
    const id = fields.get("id");
    if (id !== undefined) this.#tokensUpTo(Number(id));
    if (data.includes('"usage":{')) this.#usage = usageChunk.parse(JSON.parse(data)).usage;
  }

  timeline(): Timeline {
    if (!this.#isDone || this.#usage === null) throw new Error("the stream was cut");
    const { prompt_tokens: promptTokens, completion_tokens: outputTokens } = this.#usage;
    return { gapsUs: this.#gapsUs, promptTokens, outputTokens };
  }

  #tokensUpTo(index: number): void {
    const nowMs = performance.now();
    const count = index + 1 - this.#gapsUs.length;
    if (count <= 0) return;
    this.#gapsUs.push(Math.round((nowMs - this.#lastMs) * 1_000));
    for (let more = 1; more < count; more++) this.#gapsUs.push(0);
    this.#lastMs = nowMs;
  }
}

function splitField(line: string): [name: string, value: string] {
  const colon = line.indexOf(":");
  return [line.slice(0, colon), line.slice(colon + 1).trimStart()];
}
