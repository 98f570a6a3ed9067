// Owns the parts that intake and steps share, and how they are made for an engine. Invariant: the engine's plan
// has room for the largest batch that the batch builder can make.
import { assert, type Clock } from "@fairlane/base";
import type { EngineInfo } from "../engine/engine.ts";
import { TOP_LOGPROBS_MAX, type StepCapacity } from "../engine/step-layout.ts";
import {
  PAGE_TOKENS,
  RUNNING_REQUESTS_MAX,
  STEP_BIASES_MAX,
  STEP_BUDGET_TOKENS_MAX,
  WAITING_PROMPT_TOKENS_MAX,
  WAITING_REQUESTS_MAX,
  WAITING_REQUESTS_PER_TENANT_MAX,
} from "../limits.ts";
import { PagePool } from "../memory/page-pool.ts";
import { RequestTable } from "../request/request-table.ts";
import { prefillShareMinTokens, StepBudget, type StepTarget } from "./step-budget.ts";
import { TierTurns } from "./tier-turns.ts";
import { WaitingQueue, type WaitingBounds } from "./waiting-queue.ts";

/** How the scheduler is set up for an engine. */
export interface SchedulerOptions {
  readonly info: EngineInfo;
  readonly clock: Clock;
  /** Most tokens of a step. */
  readonly stepBudgetTokens: number;
  /** Chunks are no larger than what meets it; null or absent: the budget is fixed. */
  readonly stepTarget?: StepTarget | null;
  readonly waitingBounds?: WaitingBounds;
}

export interface SchedulerParts {
  readonly info: EngineInfo;
  readonly clock: Clock;
  readonly budget: StepBudget;
  readonly turns: TierTurns;
  readonly pool: PagePool;
  readonly table: RequestTable;
  readonly waiting: WaitingQueue;
}

const WAITING_BOUNDS: WaitingBounds = {
  requestsMax: WAITING_REQUESTS_MAX,
  requestsPerTenantMax: WAITING_REQUESTS_PER_TENANT_MAX,
  promptTokensMax: WAITING_PROMPT_TOKENS_MAX,
};

/**
 * The capacities an engine must be opened with for these settings: a page-table delta for every page that a step
 * can begin, and one reset and one sampling update for each row.
 */
export function stepCapacityFor(options: {
  readonly slotCount: number;
  readonly stepBudgetTokens: number;
  readonly pageTokens?: number;
}): StepCapacity {
  const { slotCount, stepBudgetTokens, pageTokens = PAGE_TOKENS } = options;
  const tokens = Math.max(stepBudgetTokens, slotCount + prefillShareMinTokens(stepBudgetTokens));
  return {
    rows: slotCount,
    tokens,
    // n tokens of one row begin at most ceil(n / pageTokens) pages, and fill up one begun before.
    page_updates: slotCount + Math.ceil(tokens / pageTokens),
    sampling_updates: slotCount,
    slot_resets: slotCount,
    bias_updates: STEP_BIASES_MAX,
    top_tokens: slotCount * TOP_LOGPROBS_MAX,
  };
}

/** Makes empty parts; throws when the engine was opened with too small a plan. */
export function makeParts(options: SchedulerOptions): SchedulerParts {
  const { info, clock, stepBudgetTokens, waitingBounds = WAITING_BOUNDS } = options;
  const { slotCount, pageCount, pageTokens, capacity } = info;
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
  const needed = stepCapacityFor({ slotCount, stepBudgetTokens, pageTokens });
  for (const field of Object.keys(needed) as (keyof StepCapacity)[]) {
    assert(
      capacity[field] >= needed[field],
      `the engine's step capacity has ${field} ${capacity[field]}, the scheduler needs ${needed[field]}`,
    );
  }
  return {
    info,
    clock,
    budget: new StepBudget(stepBudgetTokens, options.stepTarget),
    turns: new TierTurns(),
    pool: new PagePool(pageCount),
    table: new RequestTable(slotCount),
    waiting: new WaitingQueue(waitingBounds),
  };
}
