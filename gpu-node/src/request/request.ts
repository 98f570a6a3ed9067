// Owns the states of a request in the scheduler and the moves between them:
//   queued -> prefilling -> decoding -> finished
//   prefilling | decoding -> preempted -> prefilling
//   queued | preempted | prefilling | decoding -> aborted
// It does not decide when to move. Invariants: a slot and pages are held exactly while prefilling or decoding; the
// computed counters say what the engine really computed, the planned ones what submitted steps will have computed.
import { assert } from "@fairlane/base";
import type { ErrorValue } from "@fairlane/protocol";
import { NONE } from "../engine/step-layout.ts";
import type { EngineRequest, RequestCounts } from "../engine/worker-messages.ts";
import type { BlockChain } from "../memory/block-chain.ts";
import type { BlockTable } from "../memory/block-table.ts";
import type { SwapTicket } from "../scheduler/swapper.ts";
import { OutputTokens } from "./output-tokens.ts";
import { countsOf, knownPositionsOf } from "./request-counts.ts";

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

/** Gave its slot and pages up for others and waits to join again; its client sees a pause. */
export interface PreemptedRequest {
  readonly state: "preempted";
  readonly spec: EngineRequest;
  readonly outputTokensMax: number;
  readonly scheduledAtMs: number;
  readonly chain: BlockChain | undefined;
  readonly cachedTokens: number;
  readonly computedPromptTokens: number;
  readonly recomputedTokens: number;
  readonly outputTokens: number;
  readonly outputs: OutputTokens;
  readonly knownPositions: number;
  /** How often it was preempted, this time included. */
  readonly preemptionCount: number;
  /** Its claim to the pages that it had; null: it computes them again. */
  ticket: SwapTicket | null;
}

/** One object from join to end or preemption, since rows of steps in flight refer to it. */
export interface RunningRequest {
  /** "decoding" once all of prefillTokens is computed and a token was sampled after it. */
  state: "prefilling" | "decoding";
  readonly spec: EngineRequest;
  readonly outputTokensMax: number;
  readonly slot: number;
  /** Of its adapter, for as long as it runs; NONE without one. */
  readonly adapterSlot: number;
  readonly blocks: BlockTable;
  readonly scheduledAtMs: number;
  readonly chain: BlockChain | undefined;
  /** What is to be computed before it decodes: the prompt, and after a preemption the outputs before it as well. */
  readonly prefillTokens: Int32Array;
  /** Where this run begins to compute; its pages held the positions below when it joined. */
  readonly startPosition: number;
  /** Positions below were cached or computed for the request when it joined: to compute them is to recompute them. */
  readonly knownPositions: number;
  /** Of the prompt: taken from the prefix cache when the request joined. */
  readonly cachedTokens: number;
  computedPromptTokens: number;
  recomputedTokens: number;
  outputTokens: number;
  /** The sampled tokens, `outputTokens` of them. */
  readonly outputs: OutputTokens;
  /** Of prefillTokens: in the pages from the start, computed, or in a step in flight. */
  plannedPrefillTokens: number;
  /** Of the output: sampled, or to be sampled by a step in flight. */
  plannedOutputTokens: number;
  readonly preemptionCount: number;
  /** Of a fork: the request that computes the positions before startPosition; no row may run before it has. */
  readonly forkOf: RunningRequest | null;
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

/** Holds neither slot nor pages. */
export type WaitingRequest = QueuedRequest | PreemptedRequest;
export type LiveRequest = WaitingRequest | RunningRequest;
export type EndedRequest = FinishedRequest | AbortedRequest;
export type Request = LiveRequest | EndedRequest;

/** What a request holds once it has joined the running set. */
export interface Placement {
  readonly slot: number;
  /** NONE when absent. */
  readonly adapterSlot?: number;
  readonly blocks: BlockTable;
  /** Of a request that was scheduled before, the first time stays. */
  readonly scheduledAtMs: number;
  /** Positions, from 0 on, that the block table's pages hold already; 0 when absent. */
  readonly heldTokens?: number;
  /** Who computes them, when they are not computed yet. */
  readonly forkOf?: RunningRequest;
}

/** queued | preempted -> prefilling: the request has joined the running set. */
export function joinRunning(request: WaitingRequest, placement: Placement): RunningRequest {
  const { slot, adapterSlot = NONE, blocks, heldTokens = 0 } = placement;
  const before = request.state === "queued" ? null : request;
  const outputs = before?.outputs ?? new OutputTokens();
  const knownBefore = before?.knownPositions ?? 0;
  return {
    state: "prefilling",
    spec: request.spec,
    outputTokensMax: request.outputTokensMax,
    slot,
    adapterSlot,
    blocks,
    scheduledAtMs: before?.scheduledAtMs ?? placement.scheduledAtMs,
    chain: request.chain,
    prefillTokens: outputs.after(request.spec.promptTokens),
    startPosition: heldTokens,
    knownPositions: Math.max(knownBefore, heldTokens),
    cachedTokens: (before?.cachedTokens ?? 0) + Math.max(0, heldTokens - knownBefore),
    computedPromptTokens: before?.computedPromptTokens ?? 0,
    recomputedTokens: before?.recomputedTokens ?? 0,
    outputTokens: outputs.count,
    outputs,
    plannedPrefillTokens: heldTokens,
    plannedOutputTokens: outputs.count,
    preemptionCount: before?.preemptionCount ?? 0,
    forkOf: placement.forkOf ?? null,
    isCancelRequested: false,
    hasLeft: false,
  };
}

/** running -> preempted, while no step in flight has a row of the request. */
export function preempt(request: RunningRequest): PreemptedRequest {
  const { spec, outputTokensMax, scheduledAtMs, chain, outputs } = request;
  const { cachedTokens, computedPromptTokens, recomputedTokens, outputTokens } = request;
  assert(request.plannedOutputTokens === outputTokens, `${spec.requestId} has rows in flight`);
  const knownPositions = knownPositionsOf(request);
  return {
    state: "preempted",
    spec,
    outputTokensMax,
    scheduledAtMs,
    chain,
    cachedTokens,
    computedPromptTokens,
    recomputedTokens,
    outputTokens,
    outputs,
    knownPositions,
    preemptionCount: request.preemptionCount + 1,
    ticket: null,
  };
}

/** prefilling -> decoding: the last chunk before the decodes was computed and its token sampled. */
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
  const { pooling, requestId } = request.spec;
  assert(request.outputTokens > 0 || pooling !== undefined, `${requestId} finishes without output`);
  const { spec, scheduledAtMs } = request;
  return { state: "finished", spec, counts: countsOf(request), scheduledAtMs, reason };
}

/** any live state -> aborted; `error` null means cancelled. */
export function abort(request: LiveRequest, error: ErrorValue | null): AbortedRequest {
  const scheduledAtMs = request.state === "queued" ? null : request.scheduledAtMs;
  return { state: "aborted", spec: request.spec, counts: countsOf(request), scheduledAtMs, error };
}
