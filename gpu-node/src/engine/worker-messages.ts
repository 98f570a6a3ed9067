// Owns the messages between the main thread (HTTP, link, tokens to text, journal) and the engine worker
// (scheduler, pool, engine). One message per step in each direction at most; never one per token.
import type { ErrorValue } from "@fairlane/protocol";
import type { ForeignCharges } from "@fairlane/vtc";
import type { WantedAdapter } from "../adapters/adapter.ts";
import type { AdapterState } from "../adapters/adapter-library.ts";
import type { AdapterUse } from "../adapters/adapter-totals.ts";
import type { ReadAdapter } from "../adapters/read-adapter.ts";
import type { StepProfileFile } from "../fleet/step-profile.ts";
import type { AnswerGrammar } from "../grammar/grammar-store.ts";
import type { Vocabulary } from "../grammar/vocabulary.ts";
import type { CacheModel } from "../scheduler/scheduler-parts.ts";
import type { OutputGrant } from "../request/output-grant.ts";
import type { EngineInfo, EngineOptions } from "./engine.ts";
import type { SamplingParams } from "./sampling-spec.ts";

export type { SamplingParams, TokenBias } from "./sampling-spec.ts";

/** A validated, tokenised request: all that the scheduler needs to know. */
export interface EngineRequest {
  readonly requestId: string;
  readonly tenantId: string;
  /** The tenant's key that it came with; absent where the door has none. Fairness counts it below the tenant. */
  readonly keyId?: string;
  /** Part of the keys of the prefix cache; absent: the prompt is neither looked up there nor kept. */
  readonly tenantSalt?: string;
  readonly weight: number;
  readonly tier: "interactive" | "batch";
  /** What the model runs with, by its content; absent: nothing. */
  readonly adapter?: WantedAdapter;
  readonly promptTokens: Int32Array;
  readonly maxOutputTokens: number;
  /** Of a request under a hard budget; its further answers share it. Absent: nothing else bounds its output. */
  readonly grant?: OutputGrant;
  /** Sampling one of these ends the request with "stop"; it counts as an output token and has no text. */
  readonly stopTokenIds: readonly number[];
  readonly sampling: SamplingParams;
  /** What the answer has to follow; absent: anything may be said. */
  readonly grammar?: AnswerGrammar;
  readonly receivedAtMs: number;
  readonly deadlineMs: number;
  /** An embedding of the prompt is wanted, and no output; maxOutputTokens is 0 then. */
  readonly pooling?: PoolingMode;
  /** Further answers to the same prompt; all else of them is this request's. */
  readonly forks?: readonly RequestFork[];
}

/** Which hidden states become the embedding: the last position's, or the mean of all. */
export type PoolingMode = "last" | "mean";

/** Another answer: it joins with the request, shares its prompt's pages, and is a request of its own from then on. */
export interface RequestFork {
  readonly requestId: string;
  readonly seedLow: number;
  readonly seedHigh: number;
}

/** Pages that a joining request must find: for prompt and whole output, or for the prompt and a few to spare. */
export type AdmissionMode = "strict" | "optimistic";

/** In which order waiting requests join, and what tokens count for their tenant. */
export interface FairnessOptions {
  /** vtc: virtual token counters. The others are for comparison. */
  readonly order: "vtc" | "dlpm" | "fcfs" | "rpm" | "lcf" | "rr";
  /** linear: 1 a prompt token, 2 an output token; profiled: by the paper's fit of measured times. */
  readonly cost: "linear" | "profiled";
  /** What a cached prompt token counts for, in percent of one that is computed. */
  readonly cachedPercent: number;
}

export interface AdapterSettings {
  /** Of their packed forms; other nodes and models may share it. */
  readonly folder: string;
  /** Memory for packed forms outside of the pool; 0: they are read from the folder each time. */
  readonly hostBytesMax: number;
  /** Distinct adapters of the running set. */
  readonly distinctCountMax: number;
  /** S: uncached prompt tokens' worth that requests may get ahead of one whose adapter is not in pages. */
  readonly slackTokens: number;
}

export interface WorkerOptions {
  readonly engine: EngineOptions;
  /** Optimistic when absent. */
  readonly admission?: AdmissionMode;
  /** By virtual token counters when absent. */
  readonly fairness?: FairnessOptions;
  /** Where pages of preempted requests are kept, and how many bytes at most; absent: they are computed again. */
  readonly swap?: { readonly folder: string; readonly bytesMax: number };
  /** Where packed adapters are kept and how many run at once; absent: none are served. */
  readonly adapters?: AdapterSettings | undefined;
  /** Most tokens of one step: decodes first, then prefill chunks. */
  readonly stepBudgetTokens: number;
  /** Time between tokens: chunks are no larger than what meets it by prediction. Null: every step takes its budget. */
  readonly tbtTargetMs?: number | null;
  /** What the prediction is made from; measured at the start when absent. */
  readonly stepProfile?: StepProfileFile | undefined;
  /** What the prefix cache's keys name of the model; absent: there is no prefix cache. */
  readonly cacheModel?: CacheModel;
  /** A step that takes longer is reported as stuck; a bound of limits.ts when absent. */
  readonly stepStuckAfterMs?: number;
}

export type ToWorker =
  /** The model's tokens, before the first request with a grammar. */
  | { readonly type: "vocabulary"; readonly vocabulary: Vocabulary }
  | { readonly type: "submit"; readonly requests: readonly EngineRequest[] }
  | { readonly type: "cancel"; readonly ids: readonly string[] }
  /** Pack it and keep it; answered with "adapter-added" or "adapter-refused". */
  | { readonly type: "add-adapter"; readonly adapter: ReadAdapter }
  /** Forget it once no request needs it. */
  | { readonly type: "remove-adapter"; readonly digest: string }
  /** Requests may have more output; ids that are not live are ignored. */
  | { readonly type: "grant"; readonly ids: readonly string[]; readonly grant: OutputGrant }
  /** What other nodes gave tenants, for whose turn it is. */
  | { readonly type: "foreign"; readonly charges: ForeignCharges }
  /** Finish what is here, take nothing new. */
  | { readonly type: "drain" }
  | { readonly type: "close" };

/** Cumulative counts of one request, as the journal keeps them. */
export interface RequestCounts {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  /** Prompt tokens really computed so far. */
  readonly computedPromptTokens: number;
  /** Output tokens sampled so far. */
  readonly outputTokens: number;
  /** Prompt and output tokens computed again after a preemption, for free; absent: none. */
  readonly recomputedTokens?: number;
}

export type EndReason = "stop" | "length" | "cancelled" | "error";

/** How likely a sampled token was, and the likeliest ones in its place. */
export interface SampledLogprob {
  readonly logprob: number;
  /** Likeliest first, as many as were asked for. */
  readonly top: readonly { readonly token: number; readonly logprob: number }[];
}

/** What one step did for one request. */
export interface RequestProgress {
  readonly requestId: string;
  /** Tokens sampled in this step; a stop token is counted and not listed. */
  readonly newTokens: readonly number[];
  /** One for each of newTokens; absent when none were asked for. */
  readonly logprobs?: readonly SampledLogprob[];
  readonly counts: RequestCounts;
  /** When the request's first chunk was scheduled; null while it never was. */
  readonly scheduledAtMs: number | null;
  /** Of unit length; with the end of a request that asked for one. */
  readonly embedding?: Float32Array;
  /** Set with the last progress of a request. */
  readonly end: { readonly reason: EndReason; readonly error: ErrorValue | null } | null;
}

export interface WorkerLoad {
  readonly running: number;
  readonly waiting: number;
  readonly pagesFree: number;
  readonly pagesTotal: number;
  /** Largest difference of waiting tenants' counters over U + Q + S; at most 1 under strict admission. */
  readonly fairSpread?: number;
}

/** Who has the pages of the pool, and what the prefix cache holds. */
export interface PoolUse {
  /** In use by running requests. */
  readonly kvPages: number;
  /** Kept by the prefix cache for nobody in particular. */
  readonly cachedIdlePages: number;
  /** Of adapters, in use, idle or on their way in. */
  readonly adapterPages: number;
  /** Free once steps in flight are done. */
  readonly quarantinedPages: number;
  readonly freePages: number;
  readonly cachedBlocks: number;
  /** Since the start. */
  readonly evictedBlocks: number;
  /** Absent where the node serves none. */
  readonly adapters?: AdapterUse;
}

/** Computed for nobody, since the start: the request had ended while the step was in flight. Charged to none. */
export interface DiscardedTokens {
  readonly promptTokens: number;
  readonly outputTokens: number;
}

/** What preemptions did since the start. */
export interface PreemptionTotals {
  /** Requests that gave their pages up for others, to compute them again. */
  readonly recomputeCount: number;
  /** Tokens computed a second time; charged to none. */
  readonly recomputedTokens: number;
  /** Requests that gave their pages up to have them saved on a disk. */
  readonly swapCount: number;
  readonly savedBytes: number;
  readonly loadedBytes: number;
  /** Saved pages that were lost; their requests computed them again. */
  readonly swapFailureCount: number;
}

/** What a settled step was made of, and where the host's time went. */
export interface StepFacts {
  readonly prefillTokens: number;
  readonly decodeTokens: number;
  /** Most tokens that a step takes. */
  readonly budgetTokens: number;
  /** Measured over predicted time of late steps; absent when the budget is fixed. */
  readonly timeCorrection?: number;
  /** Time that the step was to take at most by prediction; absent likewise. */
  readonly targetUs?: number;
  /** Spent since the facts of the step before: planned and submitted, waited for the engine, settled. */
  readonly phasesUs: { readonly plan: number; readonly wait: number; readonly settle: number };
}

/** How large steps may be, as derived at the start. */
export interface StepBudgetFacts {
  /** Most tokens of a step. */
  readonly tokens: number;
  /** Predicted time that a step may take; null when the budget is fixed. */
  readonly targetMs: number | null;
  /** The largest chunks of a prompt that is computed alone. */
  readonly chunks: readonly {
    readonly firstPosition: number;
    readonly tokens: number;
    readonly predictedMs: number;
  }[];
}

export type FromWorker =
  | {
      readonly type: "opened";
      readonly info: EngineInfo;
      readonly stepBudget?: StepBudgetFacts;
      /** Why pages are not kept on a disk, though they should. */
      readonly swapProblem?: string;
    }
  /** The engine could not be opened or broke; the node is of no use any more. */
  | { readonly type: "failed"; readonly message: string }
  /** The scheduler takes no such request (queue full, cannot ever fit, draining). Nothing was computed. */
  | { readonly type: "refused"; readonly requestId: string; readonly error: ErrorValue }
  /**
   * What a step did; its progress is empty when all of it was discarded. Requests that end outside of a step
   * (cancelled or timed out in the queue, the engine broken or closed) come in such a message of their own, with
   * computeUs 0.
   */
  | {
      readonly type: "step";
      /** Counts up by one with each of these messages; the native fence has its own count. */
      readonly stepId: number;
      readonly computeUs: number;
      /** Absent when no step was settled. */
      readonly facts?: StepFacts;
      readonly progress: readonly RequestProgress[];
      readonly discarded: DiscardedTokens;
      /** Absent: as the message before said, or none. */
      readonly preemptions?: PreemptionTotals;
      readonly load: WorkerLoad;
      /** Absent: as the message before said. */
      readonly pool?: PoolUse;
    }
  /** The running step passed its time bound (stuck = true) or came back (false). */
  | { readonly type: "stuck"; readonly stuck: boolean }
  /** Requests with it may be submitted. */
  | {
      readonly type: "adapter-added";
      readonly digest: string;
      readonly packedBytes: number;
      readonly state: AdapterState;
    }
  | { readonly type: "adapter-refused"; readonly digest: string; readonly error: ErrorValue }
  /** Its bytes cannot be had any more: it has to be added again. */
  | { readonly type: "adapter-lost"; readonly digest: string }
  /** Where adapters are from now on, by digest. */
  | {
      readonly type: "adapter-state";
      readonly states: readonly (readonly [digest: string, state: AdapterState])[];
    }
  | { readonly type: "closed" };
