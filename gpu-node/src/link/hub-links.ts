// Owns the links to all shards of the region and what their frames mean: work goes to the intake, acknowledgements to
// the usage report, the fleet's service to its share. Shard 0's welcome says how many shards there are. Invariant: when a
// link is lost its requests go on for a bounded time, and are cancelled when nobody asks for them again.
import type { Clock, Random } from "@fairlane/base";
import type { HeartbeatFrame, HelloFrame, WelcomeFrame } from "@fairlane/protocol";
import type { FleetShare } from "../fleet/fleet-share.ts";
import { PAGE_TOKENS } from "../limits.ts";
import type { Log } from "../log.ts";
import type { LiveStreams } from "../stream/live-streams.ts";
import type { UsageReport } from "../usage/usage-report.ts";
import { ToldAdapters } from "./adapter-tiers.ts";
import { HubLink } from "./hub-link.ts";
import { SWEEP_MS } from "./limits.ts";
import type { WorkFrame } from "./link-session.ts";
import { ResumeRing } from "./resume-ring.ts";
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
  /** Where the node has adapters now. */
  readonly adapters: () => Told;
  /** The node's load now. */
  readonly heartbeat: () => HeartbeatFrame;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

type Told = Parameters<ToldAdapters["news"]>[0];

interface OpenLink extends IntakeLink {
  isOpen: boolean;
  readonly told: ToldAdapters;
  /** Of the prefixes that it was told last. */
  prefixesVersion: number;
}

/** The shard whose link carries usage and service. */
const USAGE_SHARD = 0;

export class HubLinks {
  readonly #options: HubLinksOptions;
  /** By shard; at most HUB_SHARDS_MAX, which bounds the welcome's shard_count. */
  readonly #links = new Map<number, HubLink>();
  readonly #intakeLinks = new Map<HubLink, OpenLink>();
  /** By shard, over its sessions. */
  readonly #frames = new Map<number, StepFrames>();
  readonly #ring = new ResumeRing();
  #sweepTimer: NodeJS.Timeout | undefined;
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
    this.#sweepTimer = setInterval(() => this.#sweep(), SWEEP_MS);
  }

  /** Sends the frames of a step that has been journaled. */
  stepDelivered(stepId: number): void {
    for (const frames of this.#frames.values()) frames.flush(stepId);
  }

  /** Tells every shard the node's state at once, such as that it drains. */
  sendHeartbeats(): void {
    for (const link of this.#intakeLinks.keys()) this.#sendHeartbeat(link);
  }

  /** Closes all links for good; requests of theirs are cancelled. */
  async close(reason: string): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#sweepTimer);
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
    const frames = this.#framesOf(link.shard);
    const intakeLink: OpenLink = {
      ...{ link, frames, told: new ToldAdapters(), isOpen: true, prefixesVersion: 0 },
      isLost: () => !intakeLink.isOpen,
    };
    this.#intakeLinks.set(link, intakeLink);
    const orphans = frames.linkOpened((frame) => link.send(frame), welcome.hub_boot);
    this.#options.streams.cancel(orphans);
    if (link.shard === USAGE_SHARD) this.#options.fleet.linkBegan();
    this.#sendHeartbeat(link);
    if (link.shard === USAGE_SHARD) {
      this.#options.usage.linkUp((frame) => link.send(frame));
      this.#resize(welcome.shard_count);
    }
  }

  #sendHeartbeat(link: HubLink): void {
    const { fleet, adapters } = this.#options;
    const news = this.#intakeLinks.get(link)?.told.news(adapters());
    const frame = { ...this.#loadFrame(), ...news, ...this.#prefixesFor(link) };
    if (link.shard !== USAGE_SHARD) link.send(frame);
    else link.send({ ...frame, service: fleet.report() });
  }

  #loadFrame(): HeartbeatFrame {
    const { heartbeat, streams, intake } = this.#options;
    const { load, ...frame } = heartbeat();
    intake.prefixes.fit(load.pages_total * PAGE_TOKENS);
    const { queuedPromptTokens, prefillRate } = streams;
    const rate = prefillRate.tokensPerS;
    return {
      ...frame,
      load: {
        ...load,
        queued_tokens: queuedPromptTokens,
        ...(rate === undefined ? {} : { prefill_tokens_per_s: rate }),
      },
    };
  }

  /** All of them, when the link has not been told since they changed. */
  #prefixesFor(link: HubLink): { readonly prefixes?: string[] } {
    const { prefixes } = this.#options.intake;
    const told = this.#intakeLinks.get(link);
    if (told === undefined || told.prefixesVersion === prefixes.version) return {};
    told.prefixesVersion = prefixes.version;
    return { prefixes: prefixes.newest };
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
      case "resume":
        this.#options.streams.cancel(from.frames.resume(frame));
        return;
      case "attach":
        from.frames.attach(frame);
        return;
      case "grant":
        from.frames.granted(frame.grants);
        this.#options.streams.grant(frame.grants);
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
    lost.frames.linkLost();
    // A node that goes, or a shard that is no more, comes back to no one.
    const isOver = this.#isClosed || this.#links.get(link.shard) !== link;
    if (isOver) this.#options.streams.cancel(lost.frames.liveIds);
  }

  #framesOf(shard: number): StepFrames {
    const known = this.#frames.get(shard);
    if (known !== undefined) return known;
    const { clock } = this.#options;
    const frames = new StepFrames(this.#ring, () => clock.nowMs());
    this.#frames.set(shard, frames);
    return frames;
  }

  #sweep(): void {
    for (const frames of this.#frames.values()) this.#options.streams.cancel(frames.expired());
    this.#ring.sweep(this.#options.clock.nowMs());
  }
}
