// Owns strict admission to the running set: a request joins only when a slot is free and pages for its prompt and
// its whole output can be held until it ends, so no running request ever lacks a page. Invariant: requests join in
// the order of the tier's queue; the one whose turn it is blocks those behind it.
import { BlockTable } from "../memory/block-table.ts";
import type { RunningRequest } from "../request/request.ts";
import { needsOf } from "./check-request.ts";
import type { SchedulerParts } from "./scheduler-parts.ts";
import type { Tier } from "./tier-turns.ts";

/** Joins the request of the tier whose turn it is to the running set; null when none waits or it does not fit now. */
export function joinNext(parts: SchedulerParts, tier: Tier): RunningRequest | null {
  const { waiting, table, pool, info, clock } = parts;
  const head = waiting.peek(tier);
  if (head === undefined || table.freeSlotCount === 0) return null;
  const { pages } = needsOf(head.spec, info);
  if (pages > pool.freeCount) return null;
  waiting.shift(tier);
  const blocks = new BlockTable(info.pageTokens);
  blocks.reserve(pool, head.spec.promptTokens.length + head.outputTokensMax);
  return table.join(head, { blocks, scheduledAtMs: clock.nowMs() });
}
