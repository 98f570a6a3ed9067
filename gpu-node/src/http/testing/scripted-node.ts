// For tests: the node's HTTP side on a real socket around a scripted engine and the letter model.
import { Readiness } from "../../fleet/readiness.ts";
import type { Log, LogFields } from "../../log.ts";
import type { ServedModel } from "../../request/prepare-request.ts";
import { LiveStreams } from "../../stream/live-streams.ts";
import { LETTER_MODEL } from "../../stream/testing/letter-model.ts";
import { ScriptedEngine } from "../../stream/testing/scripted-engine.ts";
import { NodeMetrics } from "../metrics.ts";
import { nodeRoutes } from "../routes.ts";
import { HttpServer } from "../server.ts";

const clock = { nowMs: () => Date.now() };
const random = { fill: (bytes: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(bytes) };

export interface ScriptedNodeOptions {
  readonly apiKey?: string;
  readonly keepAliveMs?: number;
  readonly model?: ServedModel;
  /** Steps are made as fast as they can be; otherwise the test makes them. */
  readonly runs?: boolean;
}

export class ScriptedNode implements AsyncDisposable {
  readonly readiness = new Readiness(() => this.journalFull);
  readonly logged: { readonly event: string; readonly fields: LogFields }[] = [];
  readonly engine: ScriptedEngine;
  readonly streams: LiveStreams;
  journalFull: string | undefined;
  url = "";
  readonly #server: HttpServer;
  #stepper: NodeJS.Immediate | undefined;

  constructor(options: ScriptedNodeOptions = {}) {
    const metrics = new NodeMetrics({
      live: () => this.streams.count,
      unackedRecords: () => 0,
      links: () => ({ open: 0, wanted: 0 }),
      fleetNewsAgeMs: () => null,
      isReady: () => this.readiness.notReady === undefined,
    });
    this.streams = new LiveStreams({
      journal: { commitStep: () => {} },
      clock,
      cancelAtEngine: (ids) => this.engine.cancel(ids),
      observer: {
        streamEnded: ({ counts }, { reason }, fluidity) =>
          metrics.streamEnded({ reason, counts }, fluidity),
        stepDelivered: (_, growth) => metrics.grew(growth),
      },
    });
    this.engine = new ScriptedEngine((message) => {
      if (message.type !== "step") return;
      this.streams.step(message);
      metrics.step(message);
    });
    const { model = LETTER_MODEL, apiKey, keepAliveMs } = options;
    const routes = nodeRoutes({
      streams: this.streams,
      submitToEngine: this.engine.submit,
      clock,
      random,
      model: () => (this.readiness.phase === "loading" ? null : model),
      readiness: this.readiness,
      metrics,
      adapters: () => null,
      adapterFolder: undefined,
      apiKey,
      ...(keepAliveMs === undefined ? {} : { keepAliveMs }),
    });
    const note = (event: string, fields: LogFields = {}) => {
      this.logged.push({ event, fields });
    };
    const log: Log = { info: note, warn: note, error: note };
    this.#server = new HttpServer({ host: "127.0.0.1", port: 0, routes, clock, random, log });
    this.readiness.opened();
    if (options.runs === true) this.#run();
  }

  async start(): Promise<this> {
    this.url = await this.#server.listen();
    return this;
  }

  post(body: string | Uint8Array<ArrayBuffer>, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.url}/v1/chat/completions`, { method: "POST", body, ...init });
  }

  chat(fields: object, init: RequestInit = {}): Promise<Response> {
    const messages = [{ role: "user", content: "hello" }];
    return this.post(JSON.stringify({ messages, ...fields }), init);
  }

  /** Waits for the engine to have a request; the test then makes steps. */
  async submitted(count = 1): Promise<void> {
    await until(() => this.engine.submitted.length >= count, `${count} submitted requests`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearImmediate(this.#stepper);
    this.streams.cancelAll(null);
    await this.#server.close();
  }

  #run(): void {
    this.#stepper = setImmediate(() => {
      if (this.engine.liveCount > 0) this.engine.step();
      this.#run();
    });
  }
}

/** Waits until something is true that the test does not drive itself. */
export async function until(isTrue: () => boolean, what: string): Promise<void> {
  const deadlineMs = performance.now() + 5_000;
  while (!isTrue()) {
    if (performance.now() > deadlineMs) throw new Error(`timed out waiting for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
