// Owns how the scheduler says what a step did: piece by piece into a report, which is posted once a step. Most pieces
// are a token of a running request, and those must not cost an object each. Invariant: after a post it is empty.
import { progressOf } from "../request/request-progress.ts";
import type { RunningRequest } from "../request/request.ts";
import type { FromWorker, RequestProgress } from "./worker-messages.ts";

/** Takes what a step did, request by request. */
export interface ProgressSink {
  /** A running request got on, with this token or without one. */
  goesOn(request: RunningRequest, token: number | null): void;
  /** Anything else: an end, or a token with its log-probabilities. */
  add(progress: RequestProgress): void;
}

export type StepMessage = Extract<FromWorker, { type: "step" }>;
/** What a step message says besides its progress. */
export type StepSummary = Omit<StepMessage, "type" | "progress">;

export interface StepReport extends ProgressSink {
  /** Requests that it speaks of. */
  readonly count: number;
  /** Posts what was collected, and begins anew. */
  post(summary: StepSummary): void;
}

const NO_TOKENS: readonly number[] = [];

/** What was told, as a list. */
export class ProgressList implements ProgressSink {
  #progress: RequestProgress[] = [];

  get count(): number {
    return this.#progress.length;
  }

  goesOn(request: RunningRequest, token: number | null): void {
    this.add(progressOf(request, token === null ? NO_TOKENS : [token]));
  }

  add(progress: RequestProgress): void {
    this.#progress.push(progress);
  }

  /** What was told so far; begins anew. */
  take(): RequestProgress[] {
    const progress = this.#progress;
    this.#progress = [];
    return progress;
  }
}

/** A report for listeners in the same thread. */
export class ListReport extends ProgressList implements StepReport {
  readonly #post: (message: FromWorker) => void;

  constructor(post: (message: FromWorker) => void) {
    super();
    this.#post = post;
  }

  post(summary: StepSummary): void {
    this.#post({ type: "step", ...summary, progress: this.take() });
  }
}
