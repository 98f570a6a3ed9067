// For tests: an engine side whose steps the test makes. It computes prompts whole and samples the letters a, b, c, ...
// for each request, so that expected texts are literals.
import type { EndReason, EngineRequest, FromWorker } from "../../engine/worker-messages.ts";

interface Scripted {
  readonly request: EngineRequest;
  outputTokens: number;
}

export class ScriptedEngine {
  readonly submitted: EngineRequest[] = [];
  readonly cancelled: string[] = [];
  readonly #live = new Map<string, Scripted>();
  readonly #listener: (message: FromWorker) => void;
  #stepId = 0;
  #isHalted = false;

  constructor(listener: (message: FromWorker) => void) {
    this.#listener = listener;
  }

  get liveCount(): number {
    return this.#live.size;
  }

  submit = (requests: readonly EngineRequest[]): void => {
    for (const request of requests) {
      this.submitted.push(request);
      this.#live.set(request.requestId, { request, outputTokens: 0 });
      for (const { requestId } of request.forks ?? []) {
        this.#live.set(requestId, { request: { ...request, requestId }, outputTokens: 0 });
      }
    }
  };

  cancel = (ids: readonly string[]): void => {
    this.cancelled.push(...ids);
    for (const id of ids) this.end(id, "cancelled");
  };

  /** Says nothing any more. */
  halt(): void {
    this.#isHalted = true;
  }

  /** One token for every live request; those at their maximum end with "length". */
  step(): void {
    const progress = [...this.#live.values()].map((one) => {
      one.outputTokens += 1;
      const isLast = one.outputTokens >= one.request.maxOutputTokens;
      if (isLast) this.#live.delete(one.request.requestId);
      const newTokens = [96 + one.outputTokens];
      return this.#progress(one, newTokens, isLast ? "length" : null);
    });
    this.#post(progress);
  }

  /** Ends a request without a token. */
  end(id: string, reason: EndReason): void {
    const one = this.#live.get(id);
    if (!one) return;
    this.#live.delete(id);
    this.#post([this.#progress(one, [], reason)]);
  }

  /** Ends a request with a stop token, which is counted and not listed. */
  stop(id: string): void {
    const one = this.#live.get(id);
    if (!one) return;
    this.#live.delete(id);
    one.outputTokens += 1;
    this.#post([this.#progress(one, [], "stop")]);
  }

  #progress({ request, outputTokens }: Scripted, newTokens: number[], reason: EndReason | null) {
    const promptTokens = request.promptTokens.length;
    return {
      requestId: request.requestId,
      newTokens,
      counts: { promptTokens, cachedTokens: 0, computedPromptTokens: promptTokens, outputTokens },
      scheduledAtMs: request.receivedAtMs + 1,
      end: reason === null ? null : { reason, error: null },
    };
  }

  #post(progress: Extract<FromWorker, { type: "step" }>["progress"]): void {
    if (this.#isHalted) return;
    this.#stepId += 1;
    const load = { running: this.#live.size, waiting: 0, pagesFree: 10, pagesTotal: 10 };
    const discarded = { promptTokens: 0, outputTokens: 0 };
    this.#listener({
      type: "step",
      stepId: this.#stepId,
      computeUs: 100,
      progress,
      discarded,
      load,
    });
  }
}
