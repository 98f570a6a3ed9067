// Owns the link to one shard for as long as the node lives: dials out, and dials again with a bounded, jittered
// back-off whenever the link is lost. What frames mean is hub-links.ts's. Invariant: at most one session at a time.
import type { Random } from "@fairlane/base";
import type { HelloFrame, NodeFrame, WelcomeFrame } from "@fairlane/protocol";
import type { Log } from "../log.ts";
import { REDIAL_CAP_MS, UNKNOWN_TYPES_MAX } from "./limits.ts";
import { LinkSession, type WorkFrame } from "./link-session.ts";
import { redialDelayMs } from "./redial-delay.ts";

export interface LinkEvents {
  opened(link: HubLink, welcome: WelcomeFrame): void;
  frame(link: HubLink, frame: WorkFrame): void;
  heartbeatDue(link: HubLink): void;
  /** The link was open and is lost. */
  lost(link: HubLink): void;
}

export interface HubLinkOptions {
  /** Base address such as ws://127.0.0.1:8788. */
  readonly hubUrl: string;
  readonly shard: number;
  readonly token: string;
  readonly hello: HelloFrame;
  readonly random: Random;
  readonly log: Log;
  readonly events: LinkEvents;
}

export class HubLink {
  readonly shard: number;
  readonly #options: HubLinkOptions;
  #session: LinkSession | undefined;
  #redialTimer: NodeJS.Timeout | undefined;
  #steadyTimer: NodeJS.Timeout | undefined;
  #failures = 0;
  #hasOpened = false;
  #isClosed = false;
  /** Ignored types that have had their log line. */
  readonly #unknownTypes = new Set<string>();

  constructor(options: HubLinkOptions) {
    this.shard = options.shard;
    this.#options = options;
  }

  get isOpen(): boolean {
    return this.#session?.isOpen ?? false;
  }

  /** Dials for the first time. */
  start(): void {
    this.#dial();
  }

  /** Sends a frame on the open session, else drops it. */
  send(frame: NodeFrame): void {
    this.#session?.send(frame);
  }

  /** Closes for good; resolves when the session is closed and `lost` was told. */
  async close(reason: string): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#redialTimer);
    await this.#session?.close(reason);
  }

  #dial(): void {
    const { hubUrl, shard, token, hello, events } = this.#options;
    this.#session = new LinkSession({
      url: `${hubUrl.replace(/\/+$/, "")}/wire/v1/link?shard=${shard}&region=${encodeURIComponent(hello.region)}`,
      token,
      shard,
      hello,
      events: {
        opened: (welcome) => this.#opened(welcome),
        frame: (frame) => events.frame(this, frame),
        unknownFrame: (type) => this.#noteUnknown(type),
        heartbeatDue: () => events.heartbeatDue(this),
        closed: (reason) => this.#closed(reason),
      },
    });
  }

  #opened(welcome: WelcomeFrame): void {
    this.#hasOpened = true;
    // Only a link that lasts is a success: one that breaks again and again is dialled ever more slowly.
    this.#steadyTimer = setTimeout(() => (this.#failures = 0), REDIAL_CAP_MS);
    const { log, events } = this.#options;
    log.info("link_open", { shard: this.shard, shardCount: welcome.shard_count });
    events.opened(this, welcome);
  }

  #closed(reason: string): void {
    const { log, events, random } = this.#options;
    const wasOpen = this.#hasOpened;
    clearTimeout(this.#steadyTimer);
    this.#session = undefined;
    this.#hasOpened = false;
    if (this.#isClosed) log.info("link_closed", { shard: this.shard, reason });
    else if (wasOpen) log.warn("link_lost", { shard: this.shard, reason });
    if (wasOpen) events.lost(this);
    if (this.#isClosed) return;
    const delayMs = redialDelayMs(this.#failures, random);
    this.#failures += 1;
    if (!wasOpen && isPowerOfTwo(this.#failures)) {
      log.warn("link_dial_failed", { shard: this.shard, reason, failures: this.#failures });
    }
    this.#redialTimer = setTimeout(() => this.#dial(), delayMs);
  }

  #noteUnknown(type: string): void {
    if (this.#unknownTypes.has(type) || this.#unknownTypes.size >= UNKNOWN_TYPES_MAX) return;
    this.#unknownTypes.add(type);
    this.#options.log.warn("link_unknown_frame_ignored", { shard: this.shard, type });
  }
}

// A hub that stays away is reported ever less often.
function isPowerOfTwo(value: number): boolean {
  return (value & (value - 1)) === 0;
}
