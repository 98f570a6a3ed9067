// Owns one node's WebSocket: the greeting, frames parsed on the way in, frames written on the way out, and the
// watch for a node that has fallen silent (a stopped process fires no close event). What frames mean is its
// owner's. Invariant: `lost` comes exactly once and last; a lost link neither sends nor reports anything.
import type { Clock } from "@fairlane/base";
import {
  parseNodeMessage,
  WIRE_VERSION,
  type FrameError,
  type HelloFrame,
  type HubFrame,
  type NodeFrame,
  type WelcomeFrame,
} from "@fairlane/protocol";
import { CANCELLED_IDS_MAX, HEARTBEAT_MS, LINK_SILENCE_MS } from "../limits.ts";
import { logEvent, reasonOf } from "../log.ts";
import { SubmitBatch } from "./submit-batch.ts";

/** A node's frame after the greeting. */
export type WorkFrame = Exclude<NodeFrame, HelloFrame>;

export interface LinkEvents {
  /** The node greeted; a returned reason closes the link instead of welcoming it. */
  greeted(hello: HelloFrame): string | undefined;
  /** The node was welcomed and may get work. */
  linked(link: NodeLink, hello: HelloFrame): void;
  frame(link: NodeLink, frame: WorkFrame): void;
  lost(link: NodeLink): void;
}

export interface LinkOptions {
  readonly socket: WebSocket;
  /** From the node's token, not from what it says. */
  readonly nodeId: string;
  readonly region: string;
  readonly shard: number;
  readonly shardCount: number;
  /** Names this object's memory. */
  readonly hubBoot: string;
  readonly clock: Clock;
  readonly events: LinkEvents;
}

// Close codes of RFC 6455: the peer sent what it must not; this end gives the link up.
const POLICY_VIOLATION = 1008;
const GOING_AWAY = 1001;
// What a node that ends by itself says: done, going away, or nothing. A cut connection has 1006.
const ORDERLY_CODES: ReadonlySet<number> = new Set([1000, GOING_AWAY, 1005, POLICY_VIOLATION]);

export class NodeLink {
  readonly nodeId: string;
  readonly #options: LinkOptions;
  #hello: HelloFrame | undefined;
  #lastFrameMs: number;
  #isLost = false;
  readonly #batch: SubmitBatch;
  readonly #cancelledIds = new Set<string>();
  #isOver = false;

  /** Takes over an accepted socket. */
  constructor(options: LinkOptions) {
    this.#options = options;
    this.nodeId = options.nodeId;
    this.#batch = new SubmitBatch((frameText) => this.#sendText(frameText), options.clock);
    this.#lastFrameMs = options.clock.nowMs();
    const { socket } = options;
    socket.addEventListener("message", (event) => {
      const data: unknown = event.data;
      this.#received(data);
    });
    socket.addEventListener("close", (event) => {
      this.#isOver ||= ORDERLY_CODES.has(event.code);
      this.#lose(`closed with code ${event.code}`);
    });
    socket.addEventListener("error", (event) => this.#lose(event.message));
  }

  /** What the node said when it greeted; undefined before. */
  get hello(): HelloFrame | undefined {
    return this.#hello;
  }

  /** The shard that the node dialled. */
  get shard(): number {
    return this.#options.shard;
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  /** The node may come back for what ran on this link: it was cut, and not ended by a word of either side. */
  get mayResume(): boolean {
    return this.#hello?.resumes === true && !this.#isOver;
  }

  /** Sends a frame; nothing when the link is lost. */
  send(frame: HubFrame): void {
    this.#sendText(JSON.stringify(frame));
  }

  /**
   * Submits a request, given as the JSON text of its element of a submit frame.
   * @param liveRequests that the node has, this one included
   */
  submit(requestText: string, liveRequests: number): void {
    this.#batch.add(requestText, liveRequests);
  }

  /** Asks the node to stop a request, once however often it is asked for. */
  cancel(requestId: string): void {
    if (this.#cancelledIds.has(requestId)) return;
    const [oldest] = this.#cancelledIds;
    if (this.#cancelledIds.size >= CANCELLED_IDS_MAX && oldest) this.#cancelledIds.delete(oldest);
    this.#cancelledIds.add(requestId);
    // A cancel must not overtake its submission.
    this.#batch.flush();
    this.send({ type: "cancel", ids: [requestId] });
  }

  /** Gives the link up when its node has been silent for too long, greeted or not. */
  check(nowMs: number): void {
    const silentMs = nowMs - this.#lastFrameMs;
    if (silentMs >= LINK_SILENCE_MS) this.close(`silent for ${silentMs} ms`);
  }

  /** Gives the link up. */
  close(reason: string): void {
    this.#end(GOING_AWAY, reason);
  }

  #sendText(text: string): void {
    if (this.#isLost) return;
    try {
      this.#options.socket.send(text);
    } catch (error) {
      this.#lose(reasonOf(error));
    }
  }

  #received(data: unknown): void {
    if (this.#isLost) return;
    this.#lastFrameMs = this.#options.clock.nowMs();
    if (typeof data !== "string") return this.#refuse("a binary frame");
    for (const parsed of parseNodeMessage(data)) {
      if (parsed.ok) this.#frame(parsed.value);
      else this.#misread(parsed.error);
      if (this.#isLost) return;
    }
  }

  #misread(error: FrameError): void {
    if (error.kind === "malformed") return this.#refuse(error.message);
    logEvent("warn", "frame_type_unknown", { nodeId: this.nodeId, type: error.type });
  }

  #frame(frame: NodeFrame): void {
    if (frame.type === "hello") return this.#greeted(frame);
    if (!this.#hello) return this.#refuse(`${frame.type} before hello`);
    this.#options.events.frame(this, frame);
  }

  #greeted(hello: HelloFrame): void {
    const { region, events } = this.#options;
    if (this.#hello) return this.#refuse("a second hello");
    if (hello.node_id !== this.nodeId) {
      return this.#refuse(`hello of node '${hello.node_id}' with the token of '${this.nodeId}'`);
    }
    if (hello.region !== region) {
      return this.#refuse(`hello of region '${hello.region}', this is '${region}'`);
    }
    const refusal = events.greeted(hello);
    if (refusal !== undefined) return this.#refuse(refusal);
    this.#hello = hello;
    this.send(this.#welcome());
    events.linked(this, hello);
  }

  #welcome(): WelcomeFrame {
    const { region, shard, shardCount, hubBoot } = this.#options;
    return {
      type: "welcome",
      wire: WIRE_VERSION,
      region,
      shard,
      shard_count: shardCount,
      heartbeat_ms: HEARTBEAT_MS,
      hub_boot: hubBoot,
      batches: true,
    };
  }

  #refuse(reason: string): void {
    this.#isOver = true;
    this.#end(POLICY_VIOLATION, reason);
  }

  #end(code: number, reason: string): void {
    if (this.#isLost) return;
    try {
      // A close reason has at most 123 bytes.
      this.#options.socket.close(code, reason.replace(/[^ -~]/g, "?").slice(0, 120));
    } catch (error) {
      logEvent("warn", "link_close_failed", { nodeId: this.nodeId, reason: reasonOf(error) });
    }
    this.#lose(reason);
  }

  #lose(reason: string): void {
    if (this.#isLost) return;
    this.#isLost = true;
    const { shard, events } = this.#options;
    logEvent("warn", "link_lost", { nodeId: this.nodeId, shard, reason });
    events.lost(this);
  }
}
