// For tests: the hub's side of the link on a real socket. It answers `hello` with `welcome` unless told otherwise and
// keeps every frame that arrives, by shard.
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { parseNodeMessage, type HubFrame, type NodeFrame } from "@fairlane/protocol";
import { WebSocketServer, type RawData, type WebSocket } from "ws";

export interface FakeHubOptions {
  readonly shardCount?: number;
  readonly heartbeatMs?: number;
  readonly region?: string;
  /** Taken instead of the right welcome. */
  readonly welcome?: (shard: number) => string | undefined;
  /** Named in each welcome; settable, as a restart changes it. */
  readonly hubBoot?: string;
  readonly token?: string;
  /** The port of an earlier one that was closed. */
  readonly port?: number;
}

export class FakeHub implements AsyncDisposable {
  readonly frames: { readonly shard: number; readonly frame: NodeFrame }[] = [];
  readonly closes: { readonly shard: number; readonly code: number; readonly reason: string }[] =
    [];
  readonly #options: FakeHubOptions;
  readonly #server: WebSocketServer;
  readonly #sockets = new Map<number, WebSocket>();
  hubBoot: string | undefined;
  #dials = 0;
  #changed: (() => void)[] = [];

  constructor(options: FakeHubOptions = {}) {
    this.#options = options;
    this.hubBoot = options.hubBoot;
    this.#server = new WebSocketServer({
      host: "127.0.0.1",
      port: options.port ?? 0,
      perMessageDeflate: false,
      verifyClient: ({ req }: { req: IncomingMessage }) =>
        options.token === undefined || req.headers.authorization === `Bearer ${options.token}`,
    });
    this.#server.on("connection", (socket, request) => this.#connected(socket, request.url ?? ""));
  }

  /** Base URL, once it listens. */
  async url(): Promise<string> {
    if (this.#server.address() === null) await once(this.#server, "listening");
    return `ws://127.0.0.1:${this.port}`;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get dials(): number {
    return this.#dials;
  }

  get openShards(): number[] {
    return [...this.#sockets.keys()].sort((left, right) => left - right);
  }

  socket(shard: number): WebSocket {
    const socket = this.#sockets.get(shard);
    if (!socket) throw new Error(`shard ${shard} has no link`);
    return socket;
  }

  send(shard: number, frame: HubFrame | { readonly type: string }): void {
    this.socket(shard).send(JSON.stringify(frame));
  }

  /** Frames of a type, oldest first. */
  of<T extends NodeFrame["type"]>(type: T): Extract<NodeFrame, { type: T }>[] {
    return this.frames.flatMap(({ frame }) =>
      frame.type === type ? [frame as Extract<NodeFrame, { type: T }>] : [],
    );
  }

  /** Resolves when `isTrue` holds; looked at whenever something has happened. */
  async until(isTrue: () => boolean, what: string): Promise<void> {
    const deadline = performance.now() + 5_000;
    while (!isTrue()) {
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) throw new Error(`timed out waiting for ${what}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(leftMs, 50));
        this.#changed.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#server.clients) socket.terminate();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #connected(socket: WebSocket, url: string): void {
    this.#dials += 1;
    const shard = Number(new URL(url, "ws://hub").searchParams.get("shard"));
    this.#sockets.set(shard, socket);
    socket.on("message", (data) => this.#received(shard, textOf(data)));
    socket.on("close", (code, reason) => {
      if (this.#sockets.get(shard) === socket) this.#sockets.delete(shard);
      this.closes.push({ shard, code, reason: reason.toString() });
      this.#notify();
    });
    this.#notify();
  }

  #received(shard: number, text: string): void {
    for (const parsed of parseNodeMessage(text)) {
      if (!parsed.ok) throw new Error(`the node sent a bad frame: ${JSON.stringify(parsed.error)}`);
      this.frames.push({ shard, frame: parsed.value });
      if (parsed.value.type !== "hello") continue;
      const welcome = this.#options.welcome?.(shard) ?? this.#welcome(shard);
      if (welcome !== "") this.socket(shard).send(welcome);
    }
    this.#notify();
  }

  #welcome(shard: number): string {
    return JSON.stringify({
      type: "welcome",
      wire: 1,
      region: this.#options.region ?? "local",
      shard,
      shard_count: this.#options.shardCount ?? 1,
      heartbeat_ms: this.#options.heartbeatMs ?? 1_000,
      ...(this.hubBoot === undefined ? {} : { hub_boot: this.hubBoot }),
      batches: true,
    });
  }

  #notify(): void {
    const waiting = this.#changed;
    this.#changed = [];
    for (const wake of waiting) wake();
  }
}

function textOf(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString("utf8");
  return Buffer.from(data as Uint8Array).toString("utf8");
}
