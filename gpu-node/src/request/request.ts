// Owns the states of a request in the scheduler and the moves between them:
//   queued -> prefilling -> decoding -> finished
//   queued | prefilling | decoding -> aborted
// It does not decide when to move. Invariants: a slot and pages are held exactly while prefilling or decoding; the
// computed counters say what the engine really computed, the planned ones what submitted steps will have computed.
import { assert } from "@fairlane/base";
import type { ErrorValue } from "@fairlane/protocol";
import type { EngineRequest, RequestCounts } from "../engine/worker-messages.ts";
import type { BlockChain } from "../memory/block-chain.ts";
import type { BlockTable } from "../memory/block-table.ts";

export interface QueuedRequest {
  readonly state: "queued";
  readonly spec: EngineRequest;
  /** The asked maximum, cut to what the context leaves after the prompt. */
  readonly outputTokensMax: number;
  /** Its first token comes after its deadline, by prediction, unless its prefill begins before this. */
  readonly latestStartMs: number;
  /** Keys of the prompt's blocks; absent when the prompt is neither looked up nor kept. */
  readonly chain?: BlockChain | undefined;
}

/** One object from join to end, since rows of steps in flight refer to it. */
export interface RunningRequest {
  /** "decoding" once the prompt is computed and a token was sampled. */
  state: "prefilling" | "decoding";
  readonly spec: EngineRequest;
  readonly outputTokensMax: number;
  readonly slot: number;
  readonly blocks: BlockTable;
  readonly scheduledAtMs: number;
  readonly chain: BlockChain | undefined;
  /** Of the prompt: taken from the prefix cache when the request joined. */
  readonly cachedTokens: number;
  computedPromptTokens: number;
  outputTokens: number;
  /** Of the prompt: cached, computed, or in a step in flight. */
  plannedPromptTokens: number;
  /** Of the output: sampled, or to be sampled by a step in flight. */
  plannedOutputTokens: number;
  /** Set by a cancel while a step is in flight; the request ends when the oldest such step has been settled. */
  isCancelRequested: boolean;
  /** Holds no slot and no pages any more: what rows in flight still compute for it is discarded. */
  hasLeft: boolean;
}

interface Ended {
  readonly spec: EngineRequest;
  readonly counts: RequestCounts;
  readonly scheduledAtMs: number | null;
}

/** Ended by itself. */
export interface FinishedRequest extends Ended {
  readonly state: "finished";
  readonly reason: "stop" | "length";
}

/** Ended from outside: cancelled, or by an error. */
export interface AbortedRequest extends Ended {
  readonly state: "aborted";
  readonly error: ErrorValue | null;
}

export type LiveRequest = QueuedRequest | RunningRequest;
export type EndedRequest = FinishedRequest | AbortedRequest;
export type Request = LiveRequest | EndedRequest;

/** What a request holds once it has joined the running set. */
export interface Placement {
  readonly slot: number;
  readonly blocks: BlockTable;
  readonly scheduledAtMs: number;
  /** Tokens of the prompt that the block table's pages hold already; 0 when absent. */
  readonly cachedTokens?: number;
}

/** queued -> prefilling: the request has joined the running set. */
export function joinRunning(request: QueuedRequest, placement: Placement): RunningRequest {
  return {
    state: "prefilling",
    spec: request.spec,
    outputTokensMax: request.outputTokensMax,
    slot: placement.slot,
    blocks: placement.blocks,
    scheduledAtMs: placement.scheduledAtMs,
    chain: request.chain,
    cachedTokens: placement.cachedTokens ?? 0,
    computedPromptTokens: 0,
    outputTokens: 0,
    plannedPromptTokens: placement.cachedTokens ?? 0,
    plannedOutputTokens: 0,
    isCancelRequested: false,
    hasLeft: false,
  };
}

/** prefilling -> decoding: the prompt's last chunk was computed and its token sampled. */
export function startDecoding(request: RunningRequest): void {
  const { cachedTokens, computedPromptTokens, outputTokens, spec } = request;
  const promptTokens = cachedTokens + computedPromptTokens;
  assert(
    promptTokens === spec.promptTokens.length && outputTokens >= 1,
    `${spec.requestId} decodes at ${promptTokens} prompt and ${outputTokens} output tokens`,
  );
  request.state = "decoding";
}

/** running -> finished. */
export function finish(request: RunningRequest, reason: "stop" | "length"): FinishedRequest {
  assert(request.outputTokens > 0, `${request.spec.requestId} finishes without output`);
  const { spec, scheduledAtMs } = request;
  return { state: "finished", spec, counts: countsOf(request), scheduledAtMs, reason };
}

/** any live state -> aborted; `error` null means cancelled. */
export function abort(request: LiveRequest, error: ErrorValue | null): AbortedRequest {
  const scheduledAtMs = request.state === "queued" ? null : request.scheduledAtMs;
  return { state: "aborted", spec: request.spec, counts: countsOf(request), scheduledAtMs, error };
}

/** What was computed for the request so far. */
export function countsOf(request: Request): RequestCounts {
  const promptTokens = request.spec.promptTokens.length;
  switch (request.state) {
    case "queued":
      return { promptTokens, cachedTokens: 0, computedPromptTokens: 0, outputTokens: 0 };
    case "prefilling":
    case "decoding": {
      const { cachedTokens, computedPromptTokens, outputTokens } = request;
      return { promptTokens, cachedTokens, computedPromptTokens, outputTokens };
    }
    case "finished":
    case "aborted":
      return request.counts;
  }
}
