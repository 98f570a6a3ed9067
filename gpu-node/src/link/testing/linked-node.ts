// For tests: everything of a node that the link touches (journal, streams, intake, report) around a scripted engine,
// dialling a hub of the test's.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type {
  ChatRequest,
  ErrorValue,
  HeartbeatFrame,
  HelloFrame,
  SubmitRequest,
} from "@fairlane/protocol";
import { linearCost, type ForeignCharges } from "@fairlane/vtc";
import { FleetShare } from "../../fleet/fleet-share.ts";
import { heartbeatFrame } from "../../fleet/heartbeat.ts";
import type { Log, LogFields } from "../../log.ts";
import type { OutputGrant } from "../../request/output-grant.ts";
import type { ServedModel } from "../../request/prepare-request.ts";
import { LiveStreams } from "../../stream/live-streams.ts";
import { LETTER_MODEL } from "../../stream/testing/letter-model.ts";
import { ScriptedEngine } from "../../stream/testing/scripted-engine.ts";
import { UsageJournal } from "../../usage/usage-journal.ts";
import { UsageReport } from "../../usage/usage-report.ts";
import { HubLinks } from "../hub-links.ts";
import { SubmitIntake, type SubmitIntakeOptions } from "../submit-intake.ts";

export interface LinkedNodeOptions {
  readonly hubUrl: string;
  readonly token?: string;
  readonly model?: ServedModel;
  /** State folder of an earlier node; kept by whoever gives it. */
  readonly folder?: string;
  /** Whether an adapter is here; all are when absent. */
  readonly adapters?: SubmitIntakeOptions["adapters"];
}

const clock = { nowMs: () => Date.now() };
const random = { fill: (bytes: Uint8Array<ArrayBuffer>) => bytes.fill(0) };
const LOAD = { running: 1, waiting: 2, pagesFree: 3, pagesTotal: 4 };

export class LinkedNode implements AsyncDisposable {
  readonly folder: string;
  readonly logged: { readonly event: string; readonly fields: LogFields }[] = [];
  readonly journal: UsageJournal;
  readonly engine: ScriptedEngine;
  readonly fleet: FleetShare;
  /** What the scheduler was told of other nodes' service. */
  readonly foreign: ForeignCharges[] = [];
  /** What the engine was told of grants. */
  readonly granted: { readonly ids: readonly string[]; readonly grant: OutputGrant }[] = [];
  readonly links: HubLinks;
  refusal: ErrorValue | null = null;
  /** What heartbeats say of adapters. */
  tiers: NonNullable<HeartbeatFrame["adapters"]> = [];
  readonly #ownsFolder: boolean;

  constructor(options: LinkedNodeOptions) {
    this.#ownsFolder = options.folder === undefined;
    this.folder = options.folder ?? mkdtempSync(join(tmpdir(), "fairlane-link-"));
    const { model = LETTER_MODEL } = options;
    const log = this.#log();
    this.journal = new UsageJournal({ folder: this.folder, nodeId: "node-a", clock });
    const usage = new UsageReport({ journal: this.journal, nodeId: "node-a", log });
    this.fleet = new FleetShare({
      epoch: this.journal.epoch,
      cost: linearCost(),
      clock,
      addForeign: (charges) => this.foreign.push(charges),
    });
    const streams: LiveStreams = new LiveStreams({
      service: () => this.fleet,
      journal: this.journal,
      clock,
      cancelAtEngine: (ids) => this.engine.cancel(ids),
      grantAtEngine: (ids, grant) => this.granted.push({ ids, grant }),
      observer: {
        streamEnded: () => {},
        stepDelivered: (stepId) => {
          this.links.stepDelivered(stepId);
          usage.recordsAdded();
        },
      },
    });
    this.engine = new ScriptedEngine((message) => {
      if (message.type === "step") streams.step(message);
    });
    const intake = new SubmitIntake({
      model,
      adapters: options.adapters ?? { ready: () => Promise.resolve(null) },
      streams,
      journal: this.journal,
      submitToEngine: this.engine.submit,
      refusal: () => this.refusal,
      clock,
      random,
      log,
    });
    this.links = new HubLinks({
      hubUrl: options.hubUrl,
      token: options.token ?? "fln1_node-a_secret_mac",
      hello: this.#hello(),
      intake,
      streams,
      usage,
      fleet: this.fleet,
      adapters: () => this.tiers,
      heartbeat: () =>
        heartbeatFrame({ load: LOAD, takesWork: this.refusal === null, nowMs: clock.nowMs() }),
      clock,
      random,
      log,
    });
    this.links.start();
  }

  /** Ends as a kill does: what runs is neither finished nor journaled. */
  async kill(): Promise<void> {
    this.engine.halt();
    await this.links.close("killed");
    this.journal.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    if (this.#ownsFolder) rmSync(this.folder, { recursive: true, force: true });
  }

  #hello(): HelloFrame {
    return {
      type: "hello",
      wire: 1,
      node_id: "node-a",
      epoch: this.journal.epoch,
      region: "local",
      numerics_class: "test",
      models: [
        {
          id: "letters",
          digest: "sha256-letters",
          created_seconds: 1_700_000_000,
          context_tokens: 64,
          default_max_output_tokens: 16,
        },
      ],
    };
  }

  #log(): Log {
    const note = (event: string, fields: LogFields = {}) => {
      this.logged.push({ event, fields });
    };
    return { info: note, warn: note, error: note };
  }
}

/** A submitted request that the letter model takes. */
export function submitted(
  id: string,
  body: Partial<ChatRequest> = {},
  rest: Partial<Omit<SubmitRequest, "body" | "endpoint">> = {},
): SubmitRequest {
  return {
    id,
    attempt: 1,
    tenant_id: "ten_a",
    project_id: "prj_a",
    key_id: "key_a",
    tenant_salt: "0".repeat(64),
    weight: 1,
    tier: "interactive",
    deadline_ms: Date.now() + 60_000,
    price_version: "v1",
    endpoint: "chat.completions",
    body: { messages: [{ role: "user", content: "hello" }], max_tokens: 2, ...body },
    ...rest,
  };
}
