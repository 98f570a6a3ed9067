// The mock node of the bench: answers at once, through the hub's link (as a real node's frames have it, usage records
// included) and through plain OpenAI HTTP for the peer and for the direct line. Non-streaming answers have all tokens in
// one step; streams get a token at once and then one every 20 ms, all of them in one frame, as an engine's steps come.
// Runs as a process of its own: `node mock-node.ts HUB_URL NODE_TOKEN SHARDS`, and prints its URL when it is linked.
import {
  parseHubFrame,
  protocolLimits,
  type NodeFrame,
  type SubmitRequest,
} from "@fairlane/protocol";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { WebSocket } from "ws";
import { FrameBatch } from "../../../gpu-node/src/link/frame-batch.ts";
import { MOCK_MODEL, PROMPT_TOKENS, STEP_MS, tokenText } from "./mock-answer.ts";

const NODE_NAME = "bench-node";
const EPOCH = 1;

/** Something that wants a token a step. */
interface Stream {
  readonly tokenCount: number;
  sent: number;
  token(index: number): void;
  end(): void;
}

const streams = new Set<Stream>();

/** Gives every live stream its next token. */
function step(): void {
  for (const stream of streams) {
    stream.token(stream.sent);
    stream.sent += 1;
    if (stream.sent < stream.tokenCount) continue;
    streams.delete(stream);
    stream.end();
  }
  for (const link of links) link.flush();
}

function begin(stream: Stream): void {
  stream.token(0);
  stream.sent = 1;
  if (stream.tokenCount > 1) streams.add(stream);
  else stream.end();
}

class Link {
  readonly #socket: WebSocket;
  readonly #batch = new FrameBatch((message) => this.#socket.send(message));
  #deltas: Extract<NodeFrame, { type: "step" }>["deltas"] = [];
  #done: NodeFrame[] = [];
  #step = 0;
  isWelcome = false;

  constructor(url: string, token: string) {
    const headers = { authorization: `Bearer ${token}` };
    this.#socket = new WebSocket(url, { headers, perMessageDeflate: false });
    this.#socket.on("open", () => this.#greet());
    this.#socket.on("message", (data: Buffer) => this.#received(data.toString("utf8")));
    this.#socket.on("close", () => process.exit(1));
  }

  send(frame: NodeFrame): void {
    this.#batch.add(JSON.stringify(frame));
  }

  /** One `step` with all new tokens of the link, then `done` for what ended. */
  flush(): void {
    if (this.#deltas.length > 0) {
      this.send({ type: "step", step: this.#step++, deltas: this.#deltas });
      this.#deltas = [];
    }
    for (const frame of this.#done) this.send(frame);
    this.#done = [];
  }

  #greet(): void {
    this.send({
      type: "hello",
      wire: 1,
      node_id: NODE_NAME,
      epoch: EPOCH,
      region: "local",
      numerics_class: "mock",
      models: [
        {
          id: MOCK_MODEL,
          digest: "0".repeat(64),
          created_seconds: 1_700_000_000,
          context_tokens: 8_192,
          default_max_output_tokens: 256,
        },
      ],
    });
  }

  #received(text: string): void {
    const frame = parseHubFrame(text);
    if (!frame.ok) return;
    if (frame.value.type === "welcome") {
      this.isWelcome = true;
      setInterval(() => this.#beat(), frame.value.heartbeat_ms).unref();
    }
    if (frame.value.type === "ack") usageAcked();
    if (frame.value.type !== "submit") return;
    for (const request of frame.value.requests) this.#serve(request);
    this.flush();
    flushUsage();
  }

  #beat(): void {
    const load = { running: streams.size, waiting: 0, pages_free: 1_000, pages_total: 1_000 };
    this.send({ type: "heartbeat", sent_at_ms: Date.now(), load, draining: false });
  }

  #serve(request: SubmitRequest): void {
    if (request.endpoint !== "chat.completions") return;
    const { id, body } = request;
    const tokenCount = body.max_tokens ?? 16;
    const accept = { type: "accept", id, model: MOCK_MODEL, prompt_tokens: PROMPT_TOKENS } as const;
    this.send(accept);
    const end = () => {
      this.#done.push(doneFrame(id, tokenCount));
      meter(request, tokenCount);
    };
    if (body.stream !== true) {
      const text = Array.from({ length: tokenCount }, (_, index) => tokenText(index)).join("");
      this.#deltas.push({ id, from: 0, n: tokenCount, text });
      end();
      return;
    }
    const token = (index: number) =>
      void this.#deltas.push({ id, from: index, n: 1, text: tokenText(index) });
    begin({ tokenCount, sent: 0, token, end });
  }
}

function doneFrame(id: string, tokenCount: number): NodeFrame {
  const usage = {
    prompt_tokens: PROMPT_TOKENS,
    cached_tokens: 0,
    completion_tokens: tokenCount,
  };
  return { type: "done", id, finish_reason: "length", usage, error: null };
}

const seqs = new Map<string, number>();
const records: Extract<NodeFrame, { type: "usage" }>["records"] = [];
let isUsageUnacked = false;

/** Notes the usage of a finished request; its sequence has no gap. */
function meter(request: SubmitRequest, tokenCount: number): void {
  const seq = (seqs.get(request.tenant_id) ?? 0) + 1;
  seqs.set(request.tenant_id, seq);
  const nowMs = Date.now();
  records.push({
    tenant_id: request.tenant_id,
    seq,
    request_id: request.id,
    attempt: request.attempt,
    project_id: request.project_id,
    key_id: request.key_id,
    model: MOCK_MODEL,
    price_version: request.price_version,
    final: true,
    finish_reason: "length",
    prompt_tokens: PROMPT_TOKENS,
    cached_tokens: 0,
    computed_prompt_tokens: PROMPT_TOKENS,
    output_tokens: tokenCount,
    received_at_ms: nowMs,
    queue_ms: 0,
    ttft_ms: 0,
    ended_at_ms: nowMs,
  });
}

/** Usage goes over the first link only, and what is new once the last frame is acknowledged, as a real node's does. */
function flushUsage(): void {
  if (records.length === 0 || isUsageUnacked) return;
  isUsageUnacked = true;
  const sent = records.splice(0, protocolLimits.USAGE_RECORDS_MAX);
  links[0]?.send({ type: "usage", node_id: NODE_NAME, epoch: EPOCH, records: sent });
}

function usageAcked(): void {
  isUsageUnacked = false;
  flushUsage();
}

function serveHttp(response: ServerResponse, text: string): void {
  const body = JSON.parse(text) as { stream?: boolean; max_tokens: number };
  const tokenCount = body.max_tokens;
  const head = { id: "chatcmpl-mock", created: 1_700_000_000, model: MOCK_MODEL };
  if (body.stream !== true) {
    const content = Array.from({ length: tokenCount }, (_, index) => tokenText(index)).join("");
    const message = { role: "assistant", content };
    const usage = {
      prompt_tokens: PROMPT_TOKENS,
      completion_tokens: tokenCount,
      total_tokens: PROMPT_TOKENS + tokenCount,
    };
    const choices = [{ index: 0, message, finish_reason: "length" }];
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ object: "chat.completion", ...head, choices, usage }));
    return;
  }
  response.writeHead(200, { "content-type": "text/event-stream" });
  const chunk = (delta: object, finishReason: string | null) => {
    const choices = [{ index: 0, delta, finish_reason: finishReason }];
    const data = JSON.stringify({ object: "chat.completion.chunk", ...head, choices });
    response.write(`data: ${data}\n\n`);
  };
  begin({
    tokenCount,
    sent: 0,
    token: (index) => chunk({ content: tokenText(index) }, null),
    end: () => {
      chunk({}, "length");
      response.end("data: [DONE]\n\n");
    },
  });
}

const [hubUrl = "", token = "", shardCount = "1"] = process.argv.slice(2);
const links = Array.from({ length: Number(shardCount) }, (_, shard) => {
  const url = `${hubUrl.replace(/^http/, "ws")}/wire/v1/link?shard=${shard}`;
  return new Link(url, token);
});
setInterval(() => {
  step();
  flushUsage();
}, STEP_MS);

const server = createServer((request, response) => {
  const parts: Buffer[] = [];
  request.on("data", (part: Buffer) => parts.push(part));
  request.on("end", () => serveHttp(response, Buffer.concat(parts).toString("utf8")));
});
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1");
await once(server, "listening");
const address = server.address();
if (address === null || typeof address === "string") throw new Error("no port");
const url = `http://127.0.0.1:${address.port}`;
const waiting = setInterval(() => {
  if (!links.every((link) => link.isWelcome)) return;
  clearInterval(waiting);
  process.stdout.write(`${JSON.stringify({ url })}\n`);
}, 10);
