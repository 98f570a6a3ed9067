// The node's side of the link, spoken by a test: every frame is sent by the test and every frame received is
// looked at by it. Frames of a type that nobody asked for yet wait in order.
import {
  parseHubFrame,
  WIRE_VERSION,
  type HelloFrame,
  type HubFrame,
  type NodeFrame,
  type TokenLogprob,
} from "@fairlane/protocol";
import { NODE_NAME_HEADER, SHARD_HEADER } from "../src/region-hub/open-link.ts";
import type { freshHub } from "./hub-request.ts";

export const MODEL = {
  id: "tiny",
  digest: "sha256:00",
  created_seconds: 1_700_000_000,
  context_tokens: 2_048,
  default_max_output_tokens: 256,
};

export function helloOf(nodeId: string, change: Partial<HelloFrame> = {}): HelloFrame {
  return {
    type: "hello",
    wire: WIRE_VERSION,
    node_id: nodeId,
    epoch: 1,
    region: "local",
    numerics_class: "cpu-generic-f32",
    models: [MODEL],
    ...change,
  };
}

interface Waiter {
  readonly type: HubFrame["type"];
  readonly resolve: (frame: HubFrame) => void;
}

export class TestNode {
  readonly nodeId: string;
  /** Resolves with the hub's reason when the link is closed. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  /** Types of all frames received, in order. */
  readonly receivedTypes: HubFrame["type"][] = [];
  readonly #socket: WebSocket;
  readonly #frames: HubFrame[] = [];
  readonly #waiters: Waiter[] = [];

  constructor(nodeId: string, socket: WebSocket) {
    this.nodeId = nodeId;
    this.#socket = socket;
    socket.accept();
    socket.addEventListener("message", ({ data }) => this.#received(String(data)));
    this.closed = new Promise((resolve) => {
      socket.addEventListener("close", ({ code, reason }) => resolve({ code, reason }));
    });
  }

  /** Dials a shard past the door, without greeting it. */
  static async dial(hub: ReturnType<typeof freshHub>, nodeId: string): Promise<TestNode> {
    const headers = { upgrade: "websocket", [NODE_NAME_HEADER]: nodeId, [SHARD_HEADER]: "0" };
    const { webSocket, status } = await hub.fetch("https://hub/wire/v1/link", { headers });
    if (!webSocket) throw new Error(`no WebSocket but status ${status}`);
    return new TestNode(nodeId, webSocket);
  }

  /** Dials a shard and greets it. */
  static async link(
    hub: ReturnType<typeof freshHub>,
    nodeId: string,
    change: Partial<HelloFrame> = {},
  ): Promise<TestNode> {
    const node = await TestNode.dial(hub, nodeId);
    node.send(helloOf(nodeId, change));
    await node.next("welcome");
    return node;
  }

  send(frame: NodeFrame): void {
    this.#socket.send(JSON.stringify(frame));
  }

  sendRaw(data: string | ArrayBuffer): void {
    this.#socket.send(data);
  }

  /** The next frame of this type. */
  next<Type extends HubFrame["type"]>(type: Type): Promise<Extract<HubFrame, { type: Type }>> {
    return new Promise((resolve) => {
      const waiter = { type, resolve: resolve as (frame: HubFrame) => void };
      const index = this.#frames.findIndex((frame) => frame.type === type);
      const [frame] = index === -1 ? [] : this.#frames.splice(index, 1);
      if (frame) waiter.resolve(frame);
      else this.#waiters.push(waiter);
    });
  }

  /** Frames of this type that have come and that nobody asked for. */
  waiting(type: HubFrame["type"]): readonly HubFrame[] {
    return this.#frames.filter((frame) => frame.type === type);
  }

  /** The next submitted request, accepted. */
  async accept(promptTokens = 10): Promise<string> {
    const { requests } = await this.next("submit");
    const [request] = requests;
    if (!request || requests.length !== 1) throw new Error(`${requests.length} requests submitted`);
    this.send({ type: "accept", id: request.id, model: "tiny", prompt_tokens: promptTokens });
    return request.id;
  }

  /** One step with one delta. */
  step(
    id: string,
    delta: { from: number; text: string; n?: number; choice?: number; logprobs?: TokenLogprob[] },
  ): void {
    this.send({ type: "step", step: delta.from, deltas: [{ id, n: 1, ...delta }] });
  }

  done(id: string, outputTokens: number, promptTokens = 10): void {
    const usage = {
      prompt_tokens: promptTokens,
      cached_tokens: 0,
      completion_tokens: outputTokens,
    };
    this.send({ type: "done", id, finish_reason: "stop", usage, error: null });
  }

  close(): void {
    this.#socket.close(1_000, "the test is over");
  }

  #received(text: string): void {
    const parsed = parseHubFrame(text);
    if (!parsed.ok) throw new Error(`the hub sent ${JSON.stringify(parsed.error)}`);
    this.receivedTypes.push(parsed.value.type);
    const index = this.#waiters.findIndex(({ type }) => type === parsed.value.type);
    const [waiter] = index === -1 ? [] : this.#waiters.splice(index, 1);
    if (waiter) waiter.resolve(parsed.value);
    else this.#frames.push(parsed.value);
  }
}
