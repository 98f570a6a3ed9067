// Owns that a request's adapter is here before the request is prepared: adapters that the node lacks are pulled and handed
// to the library, each once however many requests wait for it. Invariants: a request waits no longer than
// ADAPTER_WAIT_MS, and the pull goes on without it; at most ADAPTER_PULLS_MAX pulls run; what a pull left on disk goes
// when the library has the adapter.
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { AppError, type ErrorValue, type SubmitAdapter } from "@fairlane/protocol";
import { faultFields, type Log } from "../log.ts";
import { FetchError } from "../model/fetch-error.ts";
import {
  ADAPTER_FAILURE_MS,
  ADAPTER_PULLS_MAX,
  ADAPTER_PULLS_WAITING_MAX,
  ADAPTER_RETRY_MS,
  ADAPTER_WAIT_MS,
  PULLED_FOLDER_MS_MAX,
} from "./limits.ts";
import { pullAdapter, type AdapterHub } from "./pull-adapter.ts";

/** What of the library this needs. */
export interface PullLibrary {
  readonly count: number;
  has(digest: string): boolean;
  add(adapter: {
    readonly name: string;
    readonly folder: string;
    readonly digest: string;
  }): Promise<unknown>;
  remove(name: string): boolean;
}

export interface PulledAdaptersOptions {
  readonly library: PullLibrary;
  /** Adapters that the library may have. */
  readonly countMax: number;
  /** For files on their way. */
  readonly folder: string;
  readonly hub: AdapterHub;
  readonly log: Log;
  readonly waitMs?: number;
}

type Outcome = ErrorValue | null;

export class PulledAdapters {
  readonly #options: PulledAdaptersOptions;
  /** By digest: pulls that run or wait for their turn. */
  readonly #pulls = new Map<string, Promise<Outcome>>();
  readonly #turns: (() => void)[] = [];
  #runningCount = 0;
  /** What was pulled, the longest unused first. */
  readonly #used = new Set<string>();
  /** Pulls that failed lately, so that requests do not repeat them at once. */
  readonly #failed = new Map<string, { readonly error: ErrorValue; readonly untilMs: number }>();
  readonly #closing = new AbortController();

  constructor(options: PulledAdaptersOptions) {
    this.#options = options;
  }

  /** Null once requests with the adapter may be prepared, or the error that the client gets. */
  async ready(adapter: SubmitAdapter): Promise<Outcome> {
    const { digest } = adapter;
    this.#touch(digest);
    if (this.#options.library.has(digest)) return null;
    const failed = this.#failed.get(digest);
    if (failed !== undefined && performance.now() < failed.untilMs) return failed.error;
    const pull = this.#pulls.get(digest) ?? this.#begin(adapter);
    if (pull === undefined) return notReady("The node pulls as many adapters as it may.");
    return this.#withinTime(pull);
  }

  /** Removes what pulls of earlier runs left and nobody went on with. */
  async sweep(): Promise<void> {
    const { folder } = this.#options;
    for (const name of await readdir(folder).catch(() => [])) {
      const found = await stat(join(folder, name)).catch(() => undefined);
      if (found === undefined || Date.now() - found.mtimeMs < PULLED_FOLDER_MS_MAX) continue;
      await rm(join(folder, name), { recursive: true, force: true });
    }
  }

  /** Ends what runs. */
  async close(): Promise<void> {
    this.#closing.abort(new Error("the node is going down"));
    await Promise.allSettled(this.#pulls.values());
  }

  #begin(adapter: SubmitAdapter): Promise<Outcome> | undefined {
    if (this.#pulls.size >= ADAPTER_PULLS_WAITING_MAX) return undefined;
    const pull = this.#inTurn(adapter).finally(() => this.#pulls.delete(adapter.digest));
    this.#pulls.set(adapter.digest, pull);
    return pull;
  }

  async #inTurn(adapter: SubmitAdapter): Promise<Outcome> {
    if (this.#runningCount >= ADAPTER_PULLS_MAX) {
      await new Promise<void>((resolve) => this.#turns.push(resolve));
    } else this.#runningCount += 1;
    try {
      return await this.#pull(adapter);
    } finally {
      // A turn passes on; without anybody waiting it is given back.
      const next = this.#turns.shift();
      if (next === undefined) this.#runningCount -= 1;
      else next();
    }
  }

  async #pull(adapter: SubmitAdapter): Promise<Outcome> {
    const { folder: parent, hub, library, log } = this.#options;
    const { digest, bytes } = adapter;
    const folder = join(parent, digest);
    const startedMs = performance.now();
    try {
      await pullAdapter(adapter, folder, { hub, signal: this.#closing.signal });
      this.#makeRoom(digest);
      // The digest is its name: names of tenants may come to mean something else.
      await library.add({ name: digest, folder, digest });
      this.#used.add(digest);
      await rm(folder, { recursive: true, force: true });
      log.info("adapter_pulled", { digest, bytes, ms: Math.round(performance.now() - startedMs) });
      return null;
    } catch (thrown) {
      return this.#failure(adapter, folder, thrown);
    }
  }

  async #failure(adapter: SubmitAdapter, folder: string, thrown: unknown): Promise<ErrorValue> {
    const { digest } = adapter;
    const error = errorOf(thrown);
    this.#options.log.warn("adapter_pull_failed", {
      digest,
      code: error.code,
      ...faultFields(thrown),
    });
    // Files that were refused are of no use; what came of others is gone on with.
    if (thrown instanceof AppError) await rm(folder, { recursive: true, force: true });
    const isPassing = error.code === "adapter_not_ready" || error.code === "overloaded";
    const keptMs = isPassing ? ADAPTER_RETRY_MS : ADAPTER_FAILURE_MS;
    this.#failed.delete(digest);
    const [oldest] = this.#failed.keys();
    if (this.#failed.size >= ADAPTER_PULLS_WAITING_MAX && oldest !== undefined) {
      this.#failed.delete(oldest);
    }
    this.#failed.set(digest, { error, untilMs: performance.now() + keptMs });
    return error;
  }

  /** The library forgets an adapter once no request needs it, so the one unused for longest may go at any time. */
  #makeRoom(digest: string): void {
    const { library, countMax } = this.#options;
    for (const oldest of this.#used) {
      if (library.count < countMax) return;
      if (oldest === digest) continue;
      this.#used.delete(oldest);
      library.remove(oldest);
    }
  }

  #touch(digest: string): void {
    if (this.#used.delete(digest)) this.#used.add(digest);
  }

  async #withinTime(pull: Promise<Outcome>): Promise<Outcome> {
    const { waitMs = ADAPTER_WAIT_MS } = this.#options;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<ErrorValue>((resolve) => {
      const message = `The adapter did not arrive within ${waitMs / 1_000} s; it is still on its way.`;
      timer = setTimeout(() => resolve(notReady(message)), waitMs);
    });
    try {
      return await Promise.race([pull, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

function notReady(message: string): ErrorValue {
  return { code: "adapter_not_ready", message: `${message} Please try again.`, param: "model" };
}

function errorOf(thrown: unknown): ErrorValue {
  if (thrown instanceof AppError) {
    const { code, message } = thrown.value;
    // What is wrong with the files themselves; a full node or disk is not.
    if (code === "invalid_value") return { code: "invalid_adapter", message, param: "model" };
    return { ...thrown.value, param: "model" };
  }
  if (thrown instanceof FetchError && thrown.message.endsWith(" 404")) {
    const message = "The model does not exist or you do not have access to it.";
    return { code: "model_not_found", message, param: "model" };
  }
  return notReady("The adapter could not be fetched from the hub.");
}
