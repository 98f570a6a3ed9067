// Owns the table of live requests on the main thread and the one order of events of a step: text is made, counts are
// journaled, then sinks hear of it. Invariant: a request is in the table from its acceptance until its end has been
// delivered, and nothing that the journal does not know leaves the node.
import { assert, type Clock } from "@fairlane/base";
import type { ErrorValue, GrantFrame } from "@fairlane/protocol";
import type { FluidityDeadlines } from "@fairlane/slo";
import type { EngineRequest, FromWorker, RequestProgress } from "../engine/worker-messages.ts";
import type { OutputGrant } from "../request/output-grant.ts";
import type { LiveCounts } from "../usage/live-counts.ts";
import type { BilledProgress } from "../usage/usage-journal.ts";
import {
  LIVE_PROMPT_TOKENS_MAX,
  LIVE_REQUESTS_MAX,
  LIVE_REQUESTS_PER_TENANT_MAX,
  RETRY_AFTER_FULL_MS,
  TTFT_DEADLINE_MS,
} from "./limits.ts";
import type { ChoiceGroup } from "./choice-group.ts";
import { PrefillRate, queuedPromptTokens } from "./prefill-rate.ts";
import { TokenGaps } from "./token-gaps.ts";
import type { Advance, StreamEnd, TokenStream } from "./token-stream.ts";

/** What the streams need of the usage journal. */
export interface StepJournal {
  commitStep(progress: readonly BilledProgress[]): void;
}

/** Tokens that one step added, over all requests. */
export interface TokenGrowth {
  readonly cachedTokens: number;
  readonly computedPromptTokens: number;
  readonly outputTokens: number;
}

/** What one step added for all requests, and how regularly. */
export interface StepGrowth extends TokenGrowth {
  /** Between each output token and the one before it in its request; tokens of one step are 0 apart. */
  readonly tokenGapsMs: readonly number[];
}

/** Hears of what happened, for metrics, frames of a whole step, and usage reports. */
export interface StreamObserver {
  /** @param fluidity share of its deadlines that it met; null when it had no token */
  streamEnded(stream: TokenStream, end: StreamEnd, fluidity: number | null): void;
  /** All sinks have heard of this step. */
  stepDelivered(stepId: number, growth: StepGrowth): void;
}

/** Hears what billed requests get, for fairness over the fleet. */
export interface ServiceObserver {
  /** The request's cumulative counts grew, or it was scheduled. */
  grew(request: EngineRequest, before: LiveCounts, after: LiveCounts): void;
  /** The tenant has live requests now, or has none any more. */
  live(tenantId: string, isLive: boolean): void;
}

export interface LiveStreamsOptions {
  readonly journal: StepJournal;
  readonly clock: Clock;
  readonly cancelAtEngine: (ids: readonly string[]) => void;
  /** Absent on a node that serves alone. */
  readonly grantAtEngine?: (ids: readonly string[], grant: OutputGrant) => void;
  readonly observer: StreamObserver;
  /** Null on a node that serves alone. */
  readonly service?: () => ServiceObserver | null;
  /** By which fluidity is measured; a bound of limits.ts and 100 ms a token when absent. */
  readonly deadlines?: FluidityDeadlines;
}

const DEADLINES: FluidityDeadlines = {
  prefillDeadlineUs: TTFT_DEADLINE_MS * 1_000,
  decodeDeadlineUs: 100_000,
};

interface Advanced {
  readonly stream: TokenStream;
  readonly before: LiveCounts;
  readonly advance: Advance;
}

type WorkerStep = Extract<FromWorker, { type: "step" }>;

export class LiveStreams {
  readonly #options: LiveStreamsOptions;
  /** By the engine's id: that of the request, or of one of its further answers. */
  readonly #byId = new Map<string, TokenStream>();
  /** Requests with several answers, until the last has ended. */
  readonly #groups = new Map<string, ChoiceGroup>();
  readonly #countOfTenant = new Map<string, number>();
  readonly #gaps: TokenGaps;
  readonly prefillRate = new PrefillRate();
  #promptTokens = 0;
  #lastStepId = 0;

  constructor(options: LiveStreamsOptions) {
    this.#options = options;
    this.#gaps = new TokenGaps(options.deadlines ?? DEADLINES);
  }

  get count(): number {
    return this.#byId.size;
  }

  /** Prompt tokens of live requests that are neither computed nor cached. */
  get queuedPromptTokens(): number {
    return queuedPromptTokens(this.#byId.values());
  }

  has(requestId: string): boolean {
    return this.#byId.has(requestId) || this.#groups.has(requestId);
  }

  /** The error of a request that would pass a bound, or null. */
  refusalOf(request: {
    readonly tenantId: string;
    readonly promptTokens: number;
    /** Answers to it, each of which counts as a request. */
    readonly choices: number;
  }): ErrorValue | null {
    const { promptTokens, choices } = request;
    const ofTenant = this.#countOfTenant.get(request.tenantId) ?? 0;
    if (ofTenant + choices > LIVE_REQUESTS_PER_TENANT_MAX) {
      return full(`the tenant has ${ofTenant} requests here, ${LIVE_REQUESTS_PER_TENANT_MAX} may`);
    }
    if (this.#byId.size + choices > LIVE_REQUESTS_MAX) {
      return full(`${this.#byId.size} requests are here, ${LIVE_REQUESTS_MAX} may`);
    }
    if (this.#promptTokens + promptTokens * choices > LIVE_PROMPT_TOKENS_MAX) {
      return full(`${this.#promptTokens} prompt tokens are here, ${LIVE_PROMPT_TOKENS_MAX} may`);
    }
    return null;
  }

  /** Adds the streams of an accepted request, before it is submitted to the engine. */
  add(...answers: readonly TokenStream[]): void {
    for (const stream of answers) this.#add(stream);
    const group = answers[0]?.group;
    if (group) this.#groups.set(group.requestId, group);
  }

  #add(stream: TokenStream): void {
    const { requestId, tenantId, promptTokens } = stream.request;
    assert(!this.#byId.has(requestId), `${requestId} is live already`);
    this.#byId.set(requestId, stream);
    const ofTenant = (this.#countOfTenant.get(tenantId) ?? 0) + 1;
    this.#countOfTenant.set(tenantId, ofTenant);
    if (ofTenant === 1) this.#options.service?.()?.live(tenantId, true);
    this.#promptTokens += promptTokens.length;
  }

  /** Notes the journal key of an added request that is billed. */
  bill(requestId: string, journalKey: number): void {
    const billed = this.#groups.get(requestId) ?? this.#byId.get(requestId);
    assert(billed !== undefined && billed.journalKey === null, `${requestId} cannot be billed`);
    billed.journalKey = journalKey;
  }

  /** Stops requests: their sinks hear nothing but the end. Ids that are not live are ignored. */
  cancel(ids: readonly string[], error: ErrorValue | null = null): void {
    const live = ids.flatMap((id) => this.#answersOf(id)).filter((id) => this.#byId.has(id));
    for (const id of live) this.#byId.get(id)?.silence(error);
    if (live.length > 0) this.#options.cancelAtEngine(live);
  }

  /** Lets requests have more output, each of their answers as much. Ids that are not live are ignored. */
  grant(grants: GrantFrame["grants"]): void {
    for (const { id, output_tokens: tokens, may_grow: mayGrow } of grants) {
      const live = this.#answersOf(id).filter((answerId) => this.#byId.has(answerId));
      if (live.length > 0) this.#options.grantAtEngine?.(live, { tokens, mayGrow });
    }
  }

  /** Stops everything. */
  cancelAll(error: ErrorValue | null): void {
    const ids = [...this.#byId.values()].map(
      ({ group, requestId }) => group?.requestId ?? requestId,
    );
    this.cancel([...new Set(ids)], error);
  }

  /** Takes a step of the engine. Throws when the journal cannot be written: then nothing may leave. */
  step(message: WorkerStep): void {
    this.#lastStepId = message.stepId;
    if (message.facts) this.prefillRate.note(message.facts, message.computeUs);
    const nowMs = this.#options.clock.nowMs();
    const advanced = message.progress.flatMap((progress) => this.#advance(progress, nowMs));
    this.#settle(advanced, this.#gapsOf(advanced, nowMs));
  }

  /** Takes the scheduler's refusal of a request. Other prompts of the same answer are cancelled: it is lost. */
  refused(requestId: string, error: ErrorValue): void {
    const named = this.#byId.get(requestId);
    if (named === undefined) return;
    const { group } = named;
    const refused = group?.sharingPromptOf(named) ?? [named];
    const advanced = refused.map((stream) => {
      return { stream, before: stream.counts, advance: stream.fail(error) };
    });
    this.#settle(advanced, []);
    if (group) this.cancel([group.requestId]);
  }

  /** The engine's ids of a request's answers. */
  #answersOf(requestId: string): readonly string[] {
    const group = this.#groups.get(requestId);
    return group === undefined ? [requestId] : group.streams.map((stream) => stream.requestId);
  }

  #advance(progress: RequestProgress, nowMs: number): Advanced[] {
    const stream = this.#byId.get(progress.requestId);
    if (!stream) return [];
    const before = stream.counts;
    return [{ stream, before, advance: stream.advance(progress, nowMs) }];
  }

  #gapsOf(advanced: readonly Advanced[], nowMs: number): number[] {
    const gapsMs: number[] = [];
    for (const { stream, before } of advanced) {
      const tokenCount = stream.counts.outputTokens - before.outputTokens;
      this.#gaps.note(stream, { tokenCount, nowMs }, gapsMs);
    }
    return gapsMs;
  }

  #settle(advanced: readonly Advanced[], tokenGapsMs: readonly number[]): void {
    for (const { stream, advance } of advanced) {
      if (advance.end) stream.group?.noteEnd(advance.end);
    }
    this.#options.journal.commitStep(billedProgress(advanced));
    const service = this.#options.service?.() ?? null;
    for (const { stream, before, advance } of advanced) {
      if (keyOf(stream) !== null) service?.grew(stream.request, before, stream.counts);
      if (advance.end) this.#remove(stream);
      stream.deliver(advance);
      if (advance.end) this.#observeEnd(stream, advance.end);
    }
    this.#options.observer.stepDelivered(this.#lastStepId, { ...growthOf(advanced), tokenGapsMs });
    // Last, since an engine may answer at once.
    const stopped = advanced.filter(({ advance }) => advance.endsAtEngine);
    if (stopped.length === 0) return;
    this.#options.cancelAtEngine(stopped.map(({ stream }) => stream.requestId));
  }

  /** A request with several answers ends with the last of them. */
  #observeEnd(stream: TokenStream, end: StreamEnd): void {
    const { observer } = this.#options;
    const { group } = stream;
    if (group === null) return observer.streamEnded(stream, end, this.#gaps.fluidityOf(stream));
    if (!group.isOver || group.end === null) return;
    this.#groups.delete(group.requestId);
    const first = group.streams[0] ?? stream;
    observer.streamEnded(first, group.end, this.#gaps.fluidityOf(first));
  }

  #remove(stream: TokenStream): void {
    const { requestId, tenantId, promptTokens } = stream.request;
    assert(this.#byId.delete(requestId), `${requestId} ends without being live`);
    const left = (this.#countOfTenant.get(tenantId) ?? 0) - 1;
    assert(left >= 0, `tenant ${tenantId} has ${left} live requests`);
    if (left > 0) this.#countOfTenant.set(tenantId, left);
    else {
      this.#countOfTenant.delete(tenantId);
      this.#options.service?.()?.live(tenantId, false);
    }
    this.#promptTokens -= promptTokens.length;
  }
}

/** What a step means for the journal: one account per request, whatever its answers. */
function billedProgress(advanced: readonly Advanced[]): BilledProgress[] {
  const progress = new Map<number, BilledProgress>();
  for (const { stream, advance } of advanced) {
    const { group } = stream;
    const key = keyOf(stream);
    if (key === null) continue;
    const { counts } = group ?? stream;
    const end = group === null ? advance.end : group.end;
    progress.set(key, { key, counts, finishReason: end?.reason ?? null });
  }
  return [...progress.values()];
}

function keyOf({ group, journalKey }: TokenStream): number | null {
  return group === null ? journalKey : group.journalKey;
}

function growthOf(advanced: readonly Advanced[]): TokenGrowth {
  const growth = { cachedTokens: 0, computedPromptTokens: 0, outputTokens: 0 };
  for (const { stream, before } of advanced) {
    growth.cachedTokens += stream.counts.cachedTokens - before.cachedTokens;
    growth.computedPromptTokens += stream.counts.computedPromptTokens - before.computedPromptTokens;
    growth.outputTokens += stream.counts.outputTokens - before.outputTokens;
  }
  return growth;
}

function full(reason: string): ErrorValue {
  const message = `The node is full: ${reason}. Please retry later.`;
  return { code: "overloaded", message, param: null, retryAfterMs: RETRY_AFTER_FULL_MS };
}
