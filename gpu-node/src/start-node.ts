// Owns how the parts of a node are put together and in which order they start and stop. It holds no logic of its own:
// requests flow http|link -> request -> stream -> engine, steps flow engine -> stream -> usage -> http|link.
// Invariant: what was started is stopped in the opposite order, also when the start fails half-way.
import { mkdir } from "node:fs/promises";
import type { Clock, Random } from "@fairlane/base";
import type { NodeConfig } from "./config.ts";
import { openLibrary, type AdapterLibrary } from "./adapters/adapter-library.ts";
import { WorkerKeeper } from "./adapters/worker-keeper.ts";
import { EngineHost } from "./engine/engine-host.ts";
import type { EngineInfo } from "./engine/engine.ts";
import type { FromWorker, StepBudgetFacts, WorkerLoad } from "./engine/worker-messages.ts";
import { drainRequests } from "./fleet/drain.ts";
import { FleetShare } from "./fleet/fleet-share.ts";
import { workerOptions, type Machine } from "./fleet/engine-options.ts";
import { heartbeatFrame } from "./fleet/heartbeat.ts";
import type { ModelOnDisk } from "./fleet/model-on-disk.ts";
import type { OpenedModel } from "./model/open-model.ts";
import { Readiness } from "./fleet/readiness.ts";
import { readStepProfile } from "./fleet/step-profile.ts";
import { NodeMetrics } from "./http/metrics.ts";
import { nodeRoutes } from "./http/routes.ts";
import { HttpServer } from "./http/server.ts";
import { dialHub } from "./link/dial-hub.ts";
import type { HubLinks } from "./link/hub-links.ts";
import type { PulledAdapters } from "./link/pulled-adapters.ts";
import type { Log } from "./log.ts";
import type { ServedModel } from "./request/prepare-request.ts";
import { serveModel, type ServedModelHandle } from "./request/serve-model.ts";
import { costOf } from "./scheduler/admission-order.ts";
import { LiveStreams } from "./stream/live-streams.ts";
import { TTFT_DEADLINE_MS } from "./stream/limits.ts";
import { UsageJournal } from "./usage/usage-journal.ts";
import { UsageReport } from "./usage/usage-report.ts";

export interface NodeParts {
  readonly config: NodeConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly machine: Machine;
  /** Fetches (when need be) and opens the model; called once the HTTP server answers. */
  readonly openModel: () => Promise<ModelOnDisk>;
}

export interface RunningNode {
  /** Base URL of the HTTP server. */
  readonly url: string;
  readonly model: ServedModel;
  readonly info: EngineInfo;
  readonly stepBudget: StepBudgetFacts | null;
  /** Finishes what runs within the drain timeout, then stops everything. Idempotent. */
  drain(): Promise<void>;
}

/** Starts a node; resolves once it serves. */
export async function startNode(parts: NodeParts): Promise<RunningNode> {
  const node = new NodeRuntime(parts);
  try {
    return await node.start();
  } catch (error) {
    await node.stop();
    throw error;
  }
}

class NodeRuntime {
  readonly #parts: NodeParts;
  readonly #engine = new EngineHost();
  readonly #keeper = new WorkerKeeper(this.#engine);
  readonly #readiness = new Readiness(() => this.#journal?.fullReason);
  readonly #metrics: NodeMetrics;
  readonly #streams: LiveStreams;
  #load: WorkerLoad = { running: 0, waiting: 0, pagesFree: 0, pagesTotal: 0 };
  #journal: UsageJournal | undefined;
  #usage: UsageReport | undefined;
  #fleet: FleetShare | undefined;
  #links: HubLinks | undefined;
  #pulled: PulledAdapters | undefined;
  #server: HttpServer | undefined;
  #model: ServedModel | null = null;
  #adapters: AdapterLibrary | null = null;
  #served: ServedModelHandle | undefined;
  #drained: Promise<void> | undefined;

  constructor(parts: NodeParts) {
    this.#parts = parts;
    this.#metrics = new NodeMetrics({
      live: () => this.#streams.count,
      unackedRecords: () => this.#journal?.unackedRecords ?? 0,
      links: () => this.#links?.counts ?? { open: 0, wanted: 0 },
      fleetNewsAgeMs: () => this.#fleet?.newsAgeMs ?? null,
      isReady: () => this.#readiness.notReady === undefined,
    });
    this.#streams = new LiveStreams({
      // A node that serves alone bills nothing.
      journal: { commitStep: (progress) => this.#journal?.commitStep(progress) },
      service: () => this.#fleet ?? null,
      clock: parts.clock,
      cancelAtEngine: (ids) => this.#engine.cancel(ids),
      grantAtEngine: (ids, grant) => this.#engine.grant(ids, grant),
      deadlines: {
        prefillDeadlineUs: TTFT_DEADLINE_MS * 1_000,
        decodeDeadlineUs: Math.round(parts.config.tbtTargetMs * 1_000),
      },
      observer: {
        streamEnded: ({ counts }, { reason }, fluidity) =>
          this.#metrics.streamEnded({ reason, counts }, fluidity),
        stepDelivered: (stepId, growth) => {
          this.#links?.stepDelivered(stepId);
          this.#usage?.recordsAdded();
          this.#metrics.grew(growth);
        },
      },
    });
    this.#engine.on((message) => this.#heard(message));
  }

  async start(): Promise<RunningNode> {
    const { config, clock, random, openModel, machine } = this.#parts;
    // 1. the journal first: a state folder that cannot be used must not cost a download
    if (config.hub) await this.#openJournal(config.hub);
    // 2. HTTP, so that readiness can say that the rest is on its way
    const url = await this.#listen();
    // 3. the model
    this.#readiness.loading("the model is being fetched or opened");
    const { opened, manifestPath, createdSeconds } = await openModel();
    // 4. the engine
    this.#readiness.loading("the engine is loading the weights");
    const stepProfile =
      config.stepProfile === undefined ? undefined : await readStepProfile(config.stepProfile);
    const options = { config, opened, manifestPath, machine, stepProfile };
    const info = await this.#engine.start(workerOptions(options));
    this.#noteLoad({
      running: 0,
      waiting: 0,
      pagesFree: info.pageCount,
      pagesTotal: info.pageCount,
    });
    const flags = { flags: config, pooling: config.pooling };
    const served = serveModel({ opened, createdSeconds, info, clock, random, ...flags });
    const { model, vocabulary } = served;
    this.#engine.useVocabulary(vocabulary);
    this.#served = served;
    await this.#openAdapters(model, opened);
    this.#model = model;
    this.#readiness.opened();
    // 5. work from the hub
    if (this.#journal) this.#dialHub({ model, info, journal: this.#journal });
    const { stepBudget } = this.#engine;
    return { url, model, info, stepBudget, drain: () => (this.#drained ??= this.#drain()) };
  }

  /** The library, with the adapters that the operator named; a bad one ends the start. */
  async #openAdapters({ id }: ServedModel, { config: base }: OpenedModel): Promise<void> {
    const { config, clock } = this.#parts;
    const options = { base, reserved: [id], keeper: this.#keeper, nowMs: () => clock.nowMs() };
    this.#adapters = await openLibrary(options, config.adapters.named);
  }

  async #openJournal(hub: NonNullable<NodeConfig["hub"]>): Promise<void> {
    const { clock, log } = this.#parts;
    await mkdir(hub.stateFolder, { recursive: true, mode: 0o700 });
    const journal = new UsageJournal({ folder: hub.stateFolder, nodeId: hub.nodeName, clock });
    this.#journal = journal;
    this.#usage = new UsageReport({ journal, nodeId: hub.nodeName, log });
    this.#fleet = new FleetShare({
      epoch: journal.epoch,
      cost: costOf(this.#parts.config.fairness),
      clock,
      addForeign: (charges) => this.#engine.addForeign(charges),
    });
    log.info("journal_open", { epoch: journal.epoch, unackedRecords: journal.unackedRecords });
  }

  #listen(): Promise<string> {
    const { config, clock, random, log } = this.#parts;
    const routes = nodeRoutes({
      streams: this.#streams,
      submitToEngine: (requests) => this.#engine.submit(requests),
      clock,
      random,
      model: () => this.#model,
      readiness: this.#readiness,
      metrics: this.#metrics,
      adapters: () => this.#adapters,
      adapterFolder: config.adapters.folder,
      apiKey: config.apiKey,
    });
    const { host, port } = config;
    this.#server = new HttpServer({ host, port, routes, clock, random, log });
    return this.#server.listen();
  }

  #dialHub(opened: {
    readonly model: ServedModel;
    readonly info: EngineInfo;
    readonly journal: UsageJournal;
  }): void {
    const { config, clock, random, log } = this.#parts;
    const [hub, usage, fleet, library] = [config.hub, this.#usage, this.#fleet, this.#adapters];
    if (!hub || !usage || !fleet || !library) return;
    const refusal = () => this.#readiness.refusal({ isBilled: true });
    const dialled = dialHub({
      ...opened,
      ...{ hub, usage, fleet, library, refusal, clock, random, log },
      region: config.region,
      streams: this.#streams,
      submitToEngine: (requests) => this.#engine.submit(requests),
      heartbeat: () =>
        heartbeatFrame({
          load: this.#load,
          takesWork: refusal() === null,
          nowMs: clock.nowMs(),
        }),
    });
    this.#links = dialled.links;
    this.#pulled = dialled.pulled;
  }

  #heard(message: FromWorker): void {
    const { log } = this.#parts;
    this.#keeper.heard(message, this.#adapters);
    switch (message.type) {
      case "step":
        this.#streams.step(message);
        this.#noteLoad(message.load);
        this.#metrics.step(message);
        return;
      case "refused":
        this.#streams.refused(message.requestId, message.error);
        return;
      case "stuck":
        log.error("engine_stuck", { stuck: message.stuck });
        this.#readiness.stuck(message.stuck);
        this.#links?.sendHeartbeats();
        return;
      case "failed":
        log.error("engine_failed", { reason: message.message });
        this.#readiness.fail(`the engine failed: ${message.message}`);
        this.#links?.sendHeartbeats();
        return;
      case "opened":
        if (message.swapProblem !== undefined) {
          log.warn("swap_off", { reason: message.swapProblem });
        }
        return;
      case "adapter-state":
      case "adapter-lost":
      case "adapter-added":
      case "adapter-refused":
      case "closed":
        return;
    }
  }

  #noteLoad(load: WorkerLoad): void {
    this.#load = load;
    this.#metrics.load(load);
  }

  async #drain(): Promise<void> {
    const { config, log } = this.#parts;
    log.info("drain_begun", { live: this.#streams.count, timeoutMs: config.drainTimeoutMs });
    this.#readiness.drain();
    this.#links?.sendHeartbeats();
    const isClean = await drainRequests({
      liveCount: () => this.#streams.count,
      cancelAll: (error) => this.#streams.cancelAll(error),
      unackedRecords: () =>
        this.#links?.counts.open === 0 ? 0 : (this.#journal?.unackedRecords ?? 0),
      timeoutMs: config.drainTimeoutMs,
    });
    log.info("drain_ended", { clean: isClean });
    await this.stop();
  }

  /** Stops everything at once, newest first. */
  async stop(): Promise<void> {
    await this.#links?.close("the node is going down");
    await this.#pulled?.close();
    await this.#engine.close();
    await this.#served?.close();
    await this.#server?.close();
    this.#journal?.close();
  }
}
