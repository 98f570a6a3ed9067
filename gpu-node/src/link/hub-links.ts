// Owns the links to all shards of the region and what their frames mean: work goes to the intake, acknowledgements to
// the usage report, the fleet's service to its share. Shard 0's welcome says how many shards there are. Invariant: a request's frames leave only on the
// link session it came on; when that is lost the request is cancelled, and its usage is reported after the reconnect.
import type { Random } from "@fairlane/base";
import type { HeartbeatFrame, HelloFrame, WelcomeFrame } from "@fairlane/protocol";
import type { FleetShare } from "../fleet/fleet-share.ts";
import type { Log } from "../log.ts";
import type { LiveStreams } from "../stream/live-streams.ts";
import type { UsageReport } from "../usage/usage-report.ts";
import { HubLink } from "./hub-link.ts";
import type { WorkFrame } from "./link-session.ts";
import { StepFrames } from "./step-frames.ts";
import type { IntakeLink, SubmitIntake } from "./submit-intake.ts";

export interface HubLinksOptions {
  readonly hubUrl: string;
  readonly token: string;
  readonly hello: HelloFrame;
  readonly intake: SubmitIntake;
  readonly streams: LiveStreams;
  readonly usage: UsageReport;
  readonly fleet: FleetShare;
  /** The node's load now. */
  readonly heartbeat: () => HeartbeatFrame;
  readonly random: Random;
  readonly log: Log;
}

/** The shard whose link carries usage and service. */
const USAGE_SHARD = 0;

export class HubLinks {
  readonly #options: HubLinksOptions;
  /** By shard; at most HUB_SHARDS_MAX, which bounds the welcome's shard_count. */
  readonly #links = new Map<number, HubLink>();
  readonly #intakeLinks = new Map<HubLink, IntakeLink & { isOpen: boolean }>();
  #isClosed = false;

  constructor(options: HubLinksOptions) {
    this.#options = options;
  }

  /** Links that are open, and links that should be. */
  get counts(): { readonly open: number; readonly wanted: number } {
    return { open: this.#intakeLinks.size, wanted: this.#links.size };
  }

  /** Dials shard 0; the others follow its welcome. */
  start(): void {
    this.#resize(1);
  }

  /** Sends the frames of a step that has been journaled. */
  stepDelivered(stepId: number): void {
    for (const { frames } of this.#intakeLinks.values()) frames.flush(stepId);
  }

  /** Tells every shard the node's state at once, such as that it drains. */
  sendHeartbeats(): void {
    for (const link of this.#intakeLinks.keys()) this.#sendHeartbeat(link);
  }

  /** Closes all links for good; requests of theirs are cancelled. */
  async close(reason: string): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#links.values()].map((link) => link.close(reason)));
  }

  #resize(shardCount: number): void {
    const { hubUrl, token, hello, random, log } = this.#options;
    for (const [shard, link] of this.#links) {
      if (shard < shardCount) continue;
      this.#links.delete(shard);
      void link.close(`the region has ${shardCount} shards now`);
    }
    for (let shard = 0; shard < shardCount; shard++) {
      if (this.#links.has(shard)) continue;
      const events = {
        opened: (link: HubLink, welcome: WelcomeFrame) => this.#opened(link, welcome),
        frame: (link: HubLink, frame: WorkFrame) => this.#frame(link, frame),
        heartbeatDue: (link: HubLink) => this.#sendHeartbeat(link),
        lost: (link: HubLink) => this.#lost(link),
      };
      const link = new HubLink({ hubUrl, shard, token, hello, random, log, events });
      this.#links.set(shard, link);
      link.start();
    }
  }

  #opened(link: HubLink, welcome: WelcomeFrame): void {
    if (this.#isClosed) return;
    const intakeLink = {
      link,
      frames: new StepFrames((frame) => {
        if (intakeLink.isOpen) link.send(frame);
      }),
      isOpen: true,
      isLost: () => !intakeLink.isOpen,
    };
    this.#intakeLinks.set(link, intakeLink);
    if (link.shard === USAGE_SHARD) this.#options.fleet.linkBegan();
    this.#sendHeartbeat(link);
    if (link.shard === USAGE_SHARD) {
      this.#options.usage.linkUp((frame) => link.send(frame));
      this.#resize(welcome.shard_count);
    }
  }

  #sendHeartbeat(link: HubLink): void {
    const { heartbeat, fleet } = this.#options;
    if (link.shard !== USAGE_SHARD) link.send(heartbeat());
    else link.send({ ...heartbeat(), service: fleet.report() });
  }

  #frame(link: HubLink, frame: WorkFrame): void {
    const from = this.#intakeLinks.get(link);
    if (!from) return;
    switch (frame.type) {
      case "submit":
        void this.#options.intake.submit(frame, from);
        return;
      case "cancel":
        this.#options.intake.cancel(frame.ids);
        return;
      case "ack":
        this.#options.usage.acked(frame);
        return;
      case "service":
        this.#options.fleet.heard(frame);
        return;
    }
  }

  #lost(link: HubLink): void {
    const lost = this.#intakeLinks.get(link);
    if (!lost) return;
    lost.isOpen = false;
    this.#intakeLinks.delete(link);
    if (link.shard === USAGE_SHARD) this.#options.usage.linkDown();
    this.#options.streams.cancel(lost.frames.liveIds);
  }
}
