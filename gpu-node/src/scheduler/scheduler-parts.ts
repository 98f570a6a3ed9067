// Owns the parts that intake and steps share, and how they are made for an engine. Invariant: the engine's plan
// has room for the largest batch that the batch builder can make.
import { assert, type Clock } from "@fairlane/base";
import type { AdmissionOrder } from "@fairlane/vtc";
import type { EngineInfo } from "../engine/engine.ts";
import { TOP_LOGPROBS_MAX, type StepCapacity } from "../engine/step-layout.ts";
import type { AdmissionMode, FairnessOptions } from "../engine/worker-messages.ts";
import {
  PAGE_TOKENS,
  RUNNING_REQUESTS_MAX,
  STEP_BIASES_MAX,
  STEP_BUDGET_TOKENS_MAX,
  STEP_CACHED_PAGES_MAX,
  WAITING_PROMPT_TOKENS_MAX,
  WAITING_REQUESTS_MAX,
  WAITING_REQUESTS_PER_TENANT_MAX,
} from "../limits.ts";
import { GrammarStore } from "../grammar/grammar-store.ts";
import { AdapterResidency, type AdapterResidencyOptions } from "../adapters/adapter-residency.ts";
import type { CacheIdentity, Sha256 } from "../memory/block-chain.ts";
import { PagePool } from "../memory/page-pool.ts";
import { PoolRoom } from "../memory/pool-room.ts";
import { PrefixIndex } from "../memory/prefix-index.ts";
import type { SwapSpace } from "../memory/swap-space.ts";
import { GrantWaits } from "../request/grant-waits.ts";
import { isWaiting, RequestTable } from "../request/request-table.ts";
import { cachedBlocks } from "./admission.ts";
import { FAIRNESS_DEFAULT, fairBoundUnitsOf, makeOrder } from "./admission-order.ts";
import { AdapterTurns } from "./adapter-turns.ts";
import { FairQueue, type WaitingBounds } from "./fair-queue.ts";
import type { VictimOrder } from "./preemption.ts";
import { prefillShareMinTokens, StepBudget, type StepTarget } from "./step-budget.ts";
import { pairsOfChunk } from "./step-cost-model.ts";
import { Swapper } from "./swapper.ts";
import { TierTurns } from "./tier-turns.ts";

/** How the scheduler is set up for an engine. */
export interface SchedulerOptions {
  readonly info: EngineInfo;
  readonly clock: Clock;
  /** Most tokens of a step. */
  readonly stepBudgetTokens: number;
  /** Chunks are no larger than what meets it; null or absent: the budget is fixed. */
  readonly stepTarget?: StepTarget | null;
  /** Optimistic when absent. */
  readonly admission?: AdmissionMode | undefined;
  /** In which order waiting requests join; by virtual token counters when absent. */
  readonly fairness?: FairnessOptions | undefined;
  /** Makes the order of each tier in place of that; for simulations and tests. */
  readonly makeOrder?: () => AdmissionOrder<string>;
  /** Keeps pages of preempted requests; absent: they are computed again. */
  readonly swapSpace?: SwapSpace | undefined;
  /** Who pauses when pages run out; when absent the newest of the tenant that was served most. */
  readonly victimOrder?: VictimOrder;
  readonly waitingBounds?: WaitingBounds;
  /** Absent: there is no prefix cache. */
  readonly prefixCache?: PrefixCacheOptions | undefined;
  /** Absent: requests with an adapter are refused. */
  readonly adapters?: AdapterOptions | undefined;
}

/** How adapters are kept and served. */
export interface AdapterOptions extends Pick<
  AdapterResidencyOptions,
  "engine" | "store" | "nowUs" | "distinctCountMax" | "onState" | "onLost"
> {
  /** S: units by which requests whose adapter is in pages may get ahead of one whose adapter is not. */
  readonly slackUnits: number;
}

export interface PrefixCacheOptions {
  /** What its keys name beside the engine's numerics. */
  readonly model: CacheModel;
  readonly sha256: Sha256;
}

/** The model's part of a CacheIdentity. */
export type CacheModel = Pick<CacheIdentity, "modelDigest" | "ropeConfig">;

export interface SchedulerParts {
  readonly info: EngineInfo;
  readonly clock: Clock;
  readonly budget: StepBudget;
  readonly turns: TierTurns;
  readonly pool: PagePool;
  readonly room: PoolRoom;
  readonly prefixes: PrefixIndex | null;
  /** Null: no request has one. */
  readonly adapters: AdapterResidency | null;
  readonly adapterTurns: AdapterTurns;
  readonly table: RequestTable;
  /** Answers that have all of their grants. */
  readonly grantWaits: GrantWaits;
  /** Where answers stand in the grammars that they have to follow. */
  readonly grammars: GrammarStore;
  readonly waiting: FairQueue;
  readonly admission: AdmissionMode;
  readonly victimOrder: VictimOrder;
  /** U + Q + S: under strict admission the counters of waiting tenants are never further apart. */
  readonly fairBoundUnits: number;
  readonly swapper: Swapper | null;
}

const WAITING_BOUNDS: WaitingBounds = {
  requestsMax: WAITING_REQUESTS_MAX,
  requestsPerTenantMax: WAITING_REQUESTS_PER_TENANT_MAX,
  promptTokensMax: WAITING_PROMPT_TOKENS_MAX,
};

/**
 * The capacities an engine must be opened with for these settings: a page-table delta for every page that a step
 * can begin or bring from the cache, and one reset and one sampling update for each row.
 */
export function stepCapacityFor(options: {
  readonly slotCount: number;
  readonly stepBudgetTokens: number;
  readonly pageTokens?: number;
  /** One when absent. */
  readonly kvGroupCount?: number;
}): StepCapacity {
  const { slotCount, stepBudgetTokens, pageTokens = PAGE_TOKENS, kvGroupCount = 1 } = options;
  const tokens = Math.max(stepBudgetTokens, slotCount + prefillShareMinTokens(stepBudgetTokens));
  return {
    rows: slotCount,
    tokens,
    // n tokens of one row begin at most ceil(n / pageTokens) pages, and fill up one begun before.
    page_updates:
      kvGroupCount * (slotCount + Math.ceil(tokens / pageTokens) + STEP_CACHED_PAGES_MAX),
    sampling_updates: slotCount,
    slot_resets: slotCount,
    bias_updates: STEP_BIASES_MAX,
    top_tokens: slotCount * TOP_LOGPROBS_MAX,
    // A request makes one shared page of each group its own, in the step of its first row.
    copied_pages: slotCount * kvGroupCount,
  };
}

/** Makes empty parts; throws when the engine was opened with too small a plan. */
export function makeParts(options: SchedulerOptions): SchedulerParts {
  const { info, clock, stepBudgetTokens, waitingBounds = WAITING_BOUNDS } = options;
  const { slotCount, pageCount, pageTokens, capacity, kvGroups } = info;
  assert(
    slotCount >= 1 && slotCount <= RUNNING_REQUESTS_MAX,
    `slotCount must be 1 .. ${RUNNING_REQUESTS_MAX}, got ${slotCount}`,
  );
  assert(
    Number.isSafeInteger(stepBudgetTokens) &&
      stepBudgetTokens >= 1 &&
      stepBudgetTokens <= STEP_BUDGET_TOKENS_MAX,
    `stepBudgetTokens must be 1 .. ${STEP_BUDGET_TOKENS_MAX}, got ${stepBudgetTokens}`,
  );
  const kvGroupCount = kvGroups.length;
  const needed = stepCapacityFor({ slotCount, stepBudgetTokens, pageTokens, kvGroupCount });
  for (const field of Object.keys(needed) as (keyof StepCapacity)[]) {
    assert(
      capacity[field] >= needed[field],
      `the engine's step capacity has ${field} ${capacity[field]}, the scheduler needs ${needed[field]}`,
    );
  }
  const budget = new StepBudget(stepBudgetTokens, options.stepTarget);
  const pool = new PagePool(pageCount);
  const room = new PoolRoom(pool, info.pageBytes);
  const prefixes = prefixesOf(options, budget, { pool, room });
  const table = new RequestTable(slotCount);
  const prefixTokens = (requestId: string): number => {
    const request = table.get(requestId);
    if (request === undefined || !isWaiting(request)) return 0;
    const cached = cachedBlocks({ prefixes, info }, request, STEP_CACHED_PAGES_MAX);
    return cached.blockCount * pageTokens;
  };
  const { fairness = FAIRNESS_DEFAULT } = options;
  const make = options.makeOrder ?? (() => makeOrder(fairness, prefixTokens));
  const waiting = new FairQueue(waitingBounds, make);
  const swapper = swapperOf(options, budget, pool);
  const slackUnits = options.adapters?.slackUnits ?? 0;
  return {
    info,
    clock,
    budget,
    turns: new TierTurns(),
    pool,
    room,
    prefixes,
    adapters: adaptersOf(options, { pool, room, unload: () => swapper?.unload() === true }),
    adapterTurns: new AdapterTurns(slackUnits),
    table,
    grantWaits: new GrantWaits(clock),
    grammars: new GrammarStore(),
    waiting,
    admission: options.admission ?? "optimistic",
    victimOrder: options.victimOrder ?? waiting.victimOrder,
    fairBoundUnits: fairBoundUnitsOf(fairness, info) + slackUnits,
    swapper,
  };
}

function adaptersOf(
  { adapters }: SchedulerOptions,
  shared: Pick<AdapterResidencyOptions, "pool" | "room" | "unload">,
): AdapterResidency | null {
  if (adapters === undefined) return null;
  return new AdapterResidency({ ...adapters, ...shared });
}

function swapperOf(
  { info, swapSpace: space, admission }: SchedulerOptions,
  budget: StepBudget,
  pool: PagePool,
): Swapper | null {
  // Strict admission preempts nobody.
  if (space === undefined || admission === "strict") return null;
  return new Swapper({ space, pool, info, predictor: budget.target?.predictor ?? null });
}

function prefixesOf(
  { info, prefixCache }: SchedulerOptions,
  budget: StepBudget,
  { pool, room }: Pick<SchedulerParts, "pool" | "room">,
): PrefixIndex | null {
  if (prefixCache === undefined) return null;
  const { pageTokens, pageBytes, numericsClass, kvGroups } = info;
  const identity = { ...prefixCache.model, numericsClass, mode: "causal" };
  const predictor = budget.target?.predictor;
  const blockCostMs = (firstPosition: number): number => {
    // Without a profile all blocks cost the same.
    if (predictor === undefined) return 1;
    const chunkPairs = pairsOfChunk(pageTokens, firstPosition);
    const step = { tokens: pageTokens, decodes: 0, decodeContextTokens: 0, chunkPairs };
    return predictor.predictUs(step) / 1_000;
  };
  return new PrefixIndex({
    pool,
    room,
    pageTokens,
    pageBytes,
    kvGroups,
    identity,
    sha256: prefixCache.sha256,
    blockCostMs,
  });
}
