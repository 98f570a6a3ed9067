// A node as the hub's link sees one, scripted: it says hello on both shards of the test region, answers each
// submitted request as the test says and reports usage. What a real node computes is for the end-to-end tests.
import {
  makeNodeToken,
  parseHubFrame,
  type NodeFrame,
  type SubmitRequest,
  type UsageRecord,
} from "@fairlane/protocol";
import { env } from "cloudflare:workers";

export const MODEL = "tiny-llama";
const CONTEXT_TOKENS = 64;
const SHARD_COUNT = 2;

type Send = (frame: NodeFrame) => void;

/** How the node answers one submitted request. */
export type Answer = (request: SubmitRequest, send: Send) => void;

export interface WireNode {
  readonly submitted: SubmitRequest[];
  readonly cancelled: string[];
  close(): void;
}

/** Accepts and sends each text as a step of its own, then the end and the usage. */
export function answerWith(texts: readonly string[], promptTokens = 5): Answer {
  return (request, send) => {
    send({ type: "accept", id: request.id, model: MODEL, prompt_tokens: promptTokens });
    texts.forEach((text, index) => {
      const deltas = [{ id: request.id, from: index, n: 1, text }];
      send({ type: "step", step: index, deltas });
    });
    send({
      type: "done",
      id: request.id,
      finish_reason: "stop",
      usage: { prompt_tokens: promptTokens, cached_tokens: 0, completion_tokens: texts.length },
      error: null,
    });
  };
}

/** Refuses like a node whose context the prompt does not fit. */
export const refuseTooLong: Answer = (request, send) =>
  send({
    type: "refuse",
    id: request.id,
    status: 400,
    code: "context_length_exceeded",
    message: `The prompt has 100 tokens, the context ${CONTEXT_TOKENS}.`,
    param: "messages",
  });

/** The usage record of a request that `answerWith` answered. */
export function usageOf(request: SubmitRequest, seq: number, outputTokens: number): UsageRecord {
  return {
    tenant_id: request.tenant_id,
    seq,
    request_id: request.id,
    attempt: request.attempt,
    project_id: request.project_id,
    key_id: request.key_id,
    model: MODEL,
    price_version: request.price_version,
    final: true,
    finish_reason: "stop",
    prompt_tokens: 5,
    cached_tokens: 0,
    computed_prompt_tokens: 5,
    output_tokens: outputTokens,
    received_at_ms: 1_793_491_200_000,
    queue_ms: 1,
    ttft_ms: 2,
    ended_at_ms: 1_793_491_200_010,
  };
}

async function dial(name: string, shard: number): Promise<WebSocket> {
  const random = { fill: (target: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(target) };
  const token = await makeNodeToken({ nodeName: name, pepper: env.KEY_PEPPER, random });
  const response = await env.HUB.fetch(`https://hub.test/wire/v1/link?shard=${shard}`, {
    headers: { upgrade: "websocket", authorization: `Bearer ${token}` },
  });
  const socket = response.webSocket;
  if (!socket) throw new Error(`the hub refused the link with ${response.status}`);
  socket.accept();
  return socket;
}

function hello(name: string, epoch: number): NodeFrame {
  return {
    type: "hello",
    wire: 1,
    node_id: name,
    epoch,
    region: "local",
    numerics_class: "test",
    models: [
      {
        id: MODEL,
        digest: "d".repeat(64),
        created_seconds: 1_700_000_000,
        context_tokens: CONTEXT_TOKENS,
        default_max_output_tokens: 16,
      },
    ],
  };
}

/** Links a node to every shard and waits until the hub has welcomed it. */
export async function linkNode(name: string, answer: Answer): Promise<WireNode> {
  const submitted: SubmitRequest[] = [];
  const cancelled: string[] = [];
  const seqs = new Map<string, number>();
  const sockets: WebSocket[] = [];
  const epoch = 1;
  for (let shard = 0; shard < SHARD_COUNT; shard++) {
    const socket = await dial(name, shard);
    sockets.push(socket);
    const send: Send = (frame) => {
      socket.send(JSON.stringify(frame));
      if (frame.type !== "done") return;
      const request = submitted.find((one) => one.id === frame.id);
      const usageLink = sockets[0];
      if (!request || !usageLink) return;
      const seq = (seqs.get(request.tenant_id) ?? 0) + 1;
      seqs.set(request.tenant_id, seq);
      const records = [usageOf(request, seq, frame.usage.completion_tokens)];
      usageLink.send(JSON.stringify({ type: "usage", node_id: name, epoch, records }));
    };
    const welcomed = new Promise<void>((resolve) => {
      socket.addEventListener("message", ({ data }) => {
        const frame = parseHubFrame(String(data));
        if (!frame.ok) throw new Error(`the hub sent ${JSON.stringify(frame.error)}`);
        if (frame.value.type === "welcome") resolve();
        if (frame.value.type === "cancel") cancelled.push(...frame.value.ids);
        if (frame.value.type !== "submit") return;
        submitted.push(...frame.value.requests);
        for (const request of frame.value.requests) answer(request, send);
      });
    });
    send(hello(name, epoch));
    await welcomed;
  }
  return { submitted, cancelled, close: () => sockets.forEach((socket) => socket.close(1000)) };
}
