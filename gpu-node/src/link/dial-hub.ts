// Owns how a node's side of the hub is put together: adapters that are pulled, the intake of work, the links. No logic of
// its own.
import { join } from "node:path";
import type { Clock, Random } from "@fairlane/base";
import type { ErrorValue, HeartbeatFrame } from "@fairlane/protocol";
import type { AdapterLibrary } from "../adapters/adapter-library.ts";
import { ADAPTERS_MAX } from "../adapters/limits.ts";
import type { HubConfig } from "../config.ts";
import type { EngineInfo } from "../engine/engine.ts";
import type { EngineRequest } from "../engine/worker-messages.ts";
import type { FleetShare } from "../fleet/fleet-share.ts";
import { helloFrame } from "../fleet/hello.ts";
import type { Log } from "../log.ts";
import type { ServedModel } from "../request/prepare-request.ts";
import type { LiveStreams } from "../stream/live-streams.ts";
import type { UsageJournal } from "../usage/usage-journal.ts";
import type { UsageReport } from "../usage/usage-report.ts";
import { adapterTiers } from "./adapter-tiers.ts";
import { HubLinks } from "./hub-links.ts";
import { PulledAdapters } from "./pulled-adapters.ts";
import { SubmitIntake } from "./submit-intake.ts";

export interface DialOptions {
  readonly hub: HubConfig;
  readonly region: string;
  readonly model: ServedModel;
  readonly info: EngineInfo;
  readonly library: AdapterLibrary;
  readonly journal: UsageJournal;
  readonly usage: UsageReport;
  readonly fleet: FleetShare;
  readonly streams: LiveStreams;
  readonly submitToEngine: (requests: readonly EngineRequest[]) => void;
  /** Why the node takes nothing new, or null. */
  readonly refusal: () => ErrorValue | null;
  readonly heartbeat: () => HeartbeatFrame;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Dials the hub. What is returned is closed with the node, the links first. */
export function dialHub(options: DialOptions): {
  readonly links: HubLinks;
  readonly pulled: PulledAdapters;
} {
  const { hub, region, model, info, library, journal } = options;
  const pulled = new PulledAdapters({
    library,
    countMax: Math.min(ADAPTERS_MAX, info.adapterSlots),
    folder: join(hub.stateFolder, "adapters"),
    hub: { hubUrl: hub.url, token: hub.token },
    log: options.log,
  });
  void pulled.sweep();
  const intake = new SubmitIntake({ ...options, adapters: pulled });
  const links = new HubLinks({
    ...options,
    hubUrl: hub.url,
    token: hub.token,
    hello: helloFrame({ nodeId: hub.nodeName, epoch: journal.epoch, region, model, info }),
    intake,
    adapters: () => adapterTiers(library.list),
  });
  links.start();
  return { links, pulled };
}
