// Owns the pages that rows come to need under optimistic admission: decodes of all KV groups, prefills of those whose
// windows give pages back from chunk to chunk; and whom to pause when there are none: free pages
// first, then what the cache keeps for nobody, then a running request gives its own up and joins again later.
// Invariants: a request is preempted only while no step is in flight, so none of its rows is lost and its pages are
// free at once; the oldest running request is preempted for nobody else, and each at most PREEMPTIONS_MAX times, so
// that all get on.
import { assert } from "@fairlane/base";
import { PREEMPTIONS_MAX, SWAP_AHEAD_REQUESTS } from "../limits.ts";
import { waitsForGrant } from "../request/grant-waits.ts";
import type { RunningRequest } from "../request/request.ts";
import { isDecodable, isPrefillable } from "./batch-builder.ts";
import type { SchedulerParts } from "./scheduler-parts.ts";

/**
 * Chooses who pauses.
 * @param candidates in the order of joining, oldest first; at least one
 */
export type VictimOrder = (candidates: readonly RunningRequest[]) => RunningRequest | undefined;

/** How a preempted request gets its pages back. */
export type PreemptionMode = "recompute" | "swap";

export interface GrowthOptions {
  readonly parts: SchedulerParts;
  readonly victimOrder: VictimOrder;
  readonly preempt: (request: RunningRequest, mode: PreemptionMode) => void;
}

/**
 * Gives every request the pages that its row of the next step may need, preempting others for it when need be.
 * @returns false when pages can be had only once a step in flight has been settled, or a copy has ended
 */
export function growPages(options: GrowthOptions): boolean {
  const { table, info, pool } = options.parts;
  const { running } = table;
  for (let index = 0; index < running.length; index++) {
    const request = running[index];
    if (request === undefined) continue;
    const positionCount = nextPositionCount(request, info.capacity.tokens);
    const lackingPages = request.blocks.lackingPages(positionCount);
    if (lackingPages === 0) continue;
    const found = findPages(options, request, lackingPages);
    if (found === "later") return false;
    if (found === "preempted") {
      // Others have moved up.
      index = -1;
      continue;
    }
    request.blocks.reserve(pool, positionCount);
  }
  return true;
}

/**
 * Preempts by swap before pages lack, so that nobody has to wait for a copy: what is saved now is free by the time that
 * decodes need it. Nothing happens where computing again is cheaper; that can wait until a page lacks.
 * @returns false when a request should be preempted once a step in flight has been settled
 */
export function swapAhead({ parts, victimOrder, preempt }: GrowthOptions): boolean {
  const { swapper, pool, table } = parts;
  if (swapper === null) return true;
  const comingPages = pool.freeCount + pool.quarantinedCount + pool.idleCachedCount;
  if (comingPages + swapper.savingPages >= pagesAhead(table.running.length)) return true;
  const victim = chooseVictim(table.running, victimOrder);
  if (victim === undefined || !swapper.isCheaper(victim)) return true;
  if (pool.hasStepInFlight) return false;
  preempt(victim, "swap");
  return true;
}

/** Pages that so many decodes come to need within the time that a copy takes, one of them more. */
export function pagesAhead(runningCount: number): number {
  return 1 + Math.ceil(runningCount / SWAP_AHEAD_REQUESTS);
}

/** Makes pages free; "preempted" when that took pages from somebody: try again. */
function findPages(
  options: GrowthOptions,
  request: RunningRequest,
  pageCount: number,
): "free" | "preempted" | "later" {
  const { pool, room, adapters, table, swapper } = options.parts;
  while (!room.makeRoom(pageCount)) {
    if (pool.freeCount + pool.quarantinedCount >= pageCount) break;
    // What is kept for those that wait goes before anybody pauses.
    if (adapters?.giveUp() !== true) break;
  }
  if (pool.freeCount >= pageCount) return "free";
  if (pool.hasStepInFlight) return "later";
  if (swapper?.unload() === true) return "preempted";
  const other = chooseVictim(table.running, options.victimOrder);
  // Pages that a copy holds come back by themselves.
  if (other === undefined && swapper !== null && swapper.tables.size > 0) return "later";
  const victim = other ?? request;
  assert(
    victim.preemptionCount < PREEMPTIONS_MAX,
    `${victim.spec.requestId} lacks a page that was held for it`,
  );
  options.preempt(victim, "recompute");
  return "preempted";
}

/**
 * Undefined when nobody but the oldest may be preempted: then who lacks the page waits itself. One that waits for its grant
 * is left alone: to join again takes a token more, and it goes on or ends soon.
 */
function chooseVictim(
  running: readonly RunningRequest[],
  order: VictimOrder,
): RunningRequest | undefined {
  const candidates = running.filter(
    (request, index) =>
      index > 0 && request.preemptionCount < PREEMPTIONS_MAX && !waitsForGrant(request),
  );
  return candidates.length === 0 ? undefined : order(candidates);
}

/** Positions that need pages once the next row is in a step: a decode's, or the largest chunk's; 0 without a row. */
function nextPositionCount(request: RunningRequest, chunkTokensMax: number): number {
  const { spec, plannedOutputTokens, plannedPrefillTokens, prefillTokens } = request;
  if (isDecodable(request)) return spec.promptTokens.length + plannedOutputTokens;
  if (!isPrefillable(request)) return 0;
  return Math.min(prefillTokens.length, plannedPrefillTokens + chunkTokensMax);
}
