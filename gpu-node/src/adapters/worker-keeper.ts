// Owns the main thread's side of taking adapters in: it matches the engine worker's answers to what was asked. Invariant:
// every addition is answered once, also when the worker goes without a word.
import { AppError } from "@fairlane/protocol";
import type { EngineHost } from "../engine/engine-host.ts";
import type { FromWorker } from "../engine/worker-messages.ts";
import type { AdapterFacts, AdapterKeeper, AdapterLibrary } from "./adapter-library.ts";
import type { ReadAdapter } from "./read-adapter.ts";

export class WorkerKeeper implements AdapterKeeper {
  readonly #engine: Pick<EngineHost, "tellAdapter">;
  readonly #asked = new Map<string, PromiseWithResolvers<AdapterFacts>>();
  #isGone = false;

  constructor(engine: Pick<EngineHost, "tellAdapter">) {
    this.#engine = engine;
  }

  add(adapter: ReadAdapter): Promise<AdapterFacts> {
    if (this.#isGone) return Promise.reject(gone());
    const answer = Promise.withResolvers<AdapterFacts>();
    // The library adds one after another, so nothing is asked twice at a time.
    this.#asked.set(adapter.digest, answer);
    this.#engine.tellAdapter({ type: "add-adapter", adapter });
    return answer.promise;
  }

  remove(digest: string): void {
    this.#engine.tellAdapter({ type: "remove-adapter", digest });
  }

  /** Takes a message of the worker in, and passes on what the library is to know. */
  heard(message: FromWorker, library: Pick<AdapterLibrary, "noteState" | "noteLost"> | null): void {
    switch (message.type) {
      case "adapter-state":
        for (const [digest, state] of message.states) library?.noteState(digest, state);
        return;
      case "adapter-lost":
        return library?.noteLost(message.digest);
      case "adapter-added": {
        const { digest, packedBytes, state } = message;
        this.#take(digest)?.resolve({ packedBytes, state });
        return;
      }
      case "adapter-refused":
        this.#take(message.digest)?.reject(AppError.of(message.error));
        return;
      case "failed":
      case "closed":
        this.#isGone = true;
        for (const answer of this.#asked.values()) answer.reject(gone());
        this.#asked.clear();
        return;
      default:
        return;
    }
  }

  #take(digest: string): PromiseWithResolvers<AdapterFacts> | undefined {
    const answer = this.#asked.get(digest);
    this.#asked.delete(digest);
    return answer;
  }
}

function gone(): AppError {
  return new AppError("draining", "The node's engine is not running.");
}
