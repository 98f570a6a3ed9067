// Owns one WebSocket to one hub shard from the dial to its close: hello and welcome, frames in and out, heartbeats,
// and the watch for a hub that has fallen silent. It never dials again; hub-link.ts does. Invariant: `opened` comes at
// most once, `closed` exactly once and last, and nothing is sent after it.
import {
  parseHubFrame,
  type HelloFrame,
  type HubFrame,
  type NodeFrame,
  type WelcomeFrame,
} from "@fairlane/protocol";
import { WebSocket } from "ws";
import {
  CLOSE_TIMEOUT_MS,
  FRAME_BYTES_MAX,
  HANDSHAKE_TIMEOUT_MS,
  HEARTBEAT_MAX_MS,
  HEARTBEAT_MIN_MS,
  LINK_BUFFERED_BYTES_MAX,
  SILENT_HEARTBEATS_MAX,
  WELCOME_TIMEOUT_MS,
} from "./limits.ts";
import { FrameBatch } from "./frame-batch.ts";

/** A hub frame after the handshake. */
export type WorkFrame = Exclude<HubFrame, WelcomeFrame>;

export interface SessionEvents {
  opened(welcome: WelcomeFrame): void;
  frame(frame: WorkFrame): void;
  /** A frame type that this version does not know; it was ignored. */
  unknownFrame(type: string): void;
  /** A heartbeat is due. */
  heartbeatDue(): void;
  closed(reason: string): void;
}

export interface SessionOptions {
  readonly url: string;
  readonly token: string;
  readonly shard: number;
  readonly hello: HelloFrame;
  readonly events: SessionEvents;
}

// Close codes of RFC 6455: the peer sent what it must not; this end goes away.
const POLICY_VIOLATION = 1008;
const GOING_AWAY = 1001;

export class LinkSession {
  readonly #options: SessionOptions;
  readonly #socket: WebSocket;
  #state: "greeting" | "open" | "closed" = "greeting";
  #welcomeTimer: NodeJS.Timeout | undefined;
  #heartbeatTimer: NodeJS.Timeout | undefined;
  #silentHeartbeats = 0;
  #closeReason: string | undefined;
  readonly #batch = new FrameBatch((message) => this.#sendText(message));
  #takesBatches = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#socket = new WebSocket(options.url, {
      headers: { authorization: `Bearer ${options.token}` },
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      maxPayload: FRAME_BYTES_MAX,
      // Costs more time per frame than it saves bytes between a node and its region's hub.
      perMessageDeflate: false,
    });
    this.#socket.on("open", () => this.#greet());
    this.#socket.on("message", (data, isBinary) => this.#received(data, isBinary));
    this.#socket.on("pong", () => (this.#silentHeartbeats = 0));
    this.#socket.on("error", (error) => (this.#closeReason ??= error.message));
    this.#socket.on("close", (code, reason) => this.#closed(code, reason.toString("utf8")));
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** Sends a frame; a link that is not open drops it, since its requests are cancelled anyway. */
  send(frame: NodeFrame): void {
    if (this.#state !== "open") return;
    if (this.#takesBatches) this.#batch.add(JSON.stringify(frame));
    else this.#sendText(JSON.stringify(frame));
  }

  #sendText(text: string): void {
    this.#socket.send(text);
    if (this.#socket.bufferedAmount > LINK_BUFFERED_BYTES_MAX) {
      this.#cut(`the hub takes frames too slowly: ${this.#socket.bufferedAmount} bytes wait`);
    }
  }

  /** Says goodbye and closes; resolves when it is closed, cut after a bounded wait. */
  close(reason: string): Promise<void> {
    if (this.#state === "closed") return Promise.resolve();
    this.#closeReason ??= reason;
    const closed = new Promise<void>((resolve) => this.#socket.once("close", () => resolve()));
    this.#closeSocket(GOING_AWAY, reason);
    return closed;
  }

  #greet(): void {
    this.#socket.send(JSON.stringify(this.#options.hello));
    this.#welcomeTimer = setTimeout(
      () => this.#cut(`no welcome within ${WELCOME_TIMEOUT_MS} ms`),
      WELCOME_TIMEOUT_MS,
    );
  }

  #received(data: WebSocket.RawData, isBinary: boolean): void {
    this.#silentHeartbeats = 0;
    if (this.#state === "closed" || this.#closeReason !== undefined) return;
    if (isBinary) return this.#refuse("a binary frame");
    const parsed = parseHubFrame(textOf(data));
    if (parsed.ok) return this.#frame(parsed.value);
    if (parsed.error.kind === "malformed") return this.#refuse(parsed.error.message);
    this.#options.events.unknownFrame(parsed.error.type);
  }

  #frame(frame: HubFrame): void {
    if (frame.type === "welcome") return this.#welcomed(frame);
    if (this.#state !== "open") return this.#refuse(`${frame.type} before welcome`);
    this.#options.events.frame(frame);
  }

  #welcomed(welcome: WelcomeFrame): void {
    const { shard, hello, events } = this.#options;
    if (this.#state === "open") return this.#refuse("a second welcome");
    if (welcome.shard !== shard)
      return this.#refuse(`welcome of shard ${welcome.shard}, not ${shard}`);
    if (welcome.region !== hello.region) {
      return this.#refuse(
        `welcome of region '${welcome.region}', this node is in '${hello.region}'`,
      );
    }
    clearTimeout(this.#welcomeTimer);
    this.#state = "open";
    this.#takesBatches = welcome.batches === true;
    const heartbeatMs = Math.min(
      HEARTBEAT_MAX_MS,
      Math.max(HEARTBEAT_MIN_MS, welcome.heartbeat_ms),
    );
    this.#heartbeatTimer = setInterval(() => this.#beat(), heartbeatMs);
    events.opened(welcome);
  }

  // Intervals are counted, not milliseconds: a node that was stopped for a while must not blame the hub.
  #beat(): void {
    this.#silentHeartbeats += 1;
    if (this.#silentHeartbeats > SILENT_HEARTBEATS_MAX) {
      return this.#cut(`the hub was silent for ${SILENT_HEARTBEATS_MAX} heartbeats`);
    }
    this.#socket.ping();
    this.#options.events.heartbeatDue();
  }

  /** Ends the link because the hub broke the protocol; the hub is told what was wrong. */
  #refuse(what: string): void {
    this.#closeReason ??= `the hub broke the protocol: ${what}`;
    this.#closeSocket(POLICY_VIOLATION, what);
  }

  #closeSocket(code: number, reason: string): void {
    this.#batch.flush();
    // A close reason may have 123 bytes.
    this.#socket.close(code, reason.slice(0, 100).replace(/[^\x20-\x7e]/g, "?"));
    const timer = setTimeout(() => this.#socket.terminate(), CLOSE_TIMEOUT_MS);
    this.#socket.once("close", () => clearTimeout(timer));
  }

  #cut(reason: string): void {
    this.#closeReason ??= reason;
    this.#socket.terminate();
  }

  #closed(code: number, reason: string): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#batch.drop();
    clearTimeout(this.#welcomeTimer);
    clearInterval(this.#heartbeatTimer);
    const why = reason === "" ? `closed with code ${code}` : `closed with code ${code}: ${reason}`;
    this.#options.events.closed(this.#closeReason ?? why);
  }
}

function textOf(data: WebSocket.RawData): string {
  if (Buffer.isBuffer(data)) return data.toString("utf8");
  return Array.isArray(data)
    ? Buffer.concat(data).toString("utf8")
    : Buffer.from(data).toString("utf8");
}
