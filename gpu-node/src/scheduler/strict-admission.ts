// Owns strict admission to the running set: a request joins only when a slot is free and pages for its prompt and
// its whole output can be held until it ends, so no running request ever lacks a page. What the prefix cache has of its
// prompt is found and pinned here, in one go. Invariant: requests join in the order of the tier's queue; the one
// whose turn it is blocks those behind it.
import { readsHistory } from "../engine/sampling-columns.ts";
import { BlockTable } from "../memory/block-table.ts";
import type { KeptBlock } from "../memory/prefix-index.ts";
import type { QueuedRequest, RunningRequest } from "../request/request.ts";
import type { PromptRest } from "./batch-builder.ts";
import { needsOf } from "./check-request.ts";
import type { SchedulerParts } from "./scheduler-parts.ts";
import type { Tier } from "./tier-turns.ts";

const NO_BLOCKS: readonly KeptBlock[] = [];

export interface JoinAsk {
  readonly tier: Tier;
  /** Cached pages that the step's plan still has room for. */
  readonly cachedPagesMax: number;
  readonly hasRoomFor: (rest: PromptRest) => boolean;
}

/** Joins the request of the tier whose turn it is to the running set; null when none waits or it does not fit now. */
export function joinNext(parts: SchedulerParts, ask: JoinAsk): RunningRequest | null {
  const { waiting, table, info, clock } = parts;
  const head = waiting.peek(ask.tier);
  if (head === undefined || table.freeSlotCount === 0) return null;
  const cached = cachedBlocks(parts, head, ask.cachedPagesMax);
  const cachedTokens = cached.length * info.pageTokens;
  const leftTokens = head.spec.promptTokens.length - cachedTokens;
  if (!ask.hasRoomFor({ firstPosition: cachedTokens, leftTokens })) return null;
  const blocks = placed(parts, head, cached);
  if (blocks === null) return null;
  waiting.shift(ask.tier);
  return table.join(head, { blocks, scheduledAtMs: clock.nowMs(), cachedTokens });
}

/** What the cache has of the prompt; never its last token, whose logits are wanted. */
export function cachedBlocks(
  { prefixes, info }: SchedulerParts,
  { chain, spec }: Pick<QueuedRequest, "chain" | "spec">,
  pagesMax: number,
): readonly KeptBlock[] {
  if (prefixes === null || chain === undefined || readsHistory(spec)) return NO_BLOCKS;
  const blockCount = Math.floor((spec.promptTokens.length - 1) / info.pageTokens);
  return prefixes.match(chain, Math.min(blockCount, pagesMax));
}

/** The pages: cached ones, and fresh ones for the rest, for which others may be evicted; null when there are too few. */
function placed(
  { pool, prefixes, info }: SchedulerParts,
  { spec, outputTokensMax }: QueuedRequest,
  cached: readonly KeptBlock[],
): BlockTable | null {
  const freshPages = needsOf(spec, info).pages - cached.length;
  const mostPages = prefixes?.pagesWithin(cached) ?? pool.freeCount;
  if (freshPages > mostPages) return null;
  const blocks = new BlockTable(info.pageTokens);
  prefixes?.attach(cached, blocks);
  if (freshPages > pool.freeCount && prefixes?.makeRoom(freshPages) !== true) {
    blocks.release(pool);
    return null;
  }
  prefixes?.noteUse(cached);
  blocks.reserve(pool, spec.promptTokens.length + outputTokensMax);
  return blocks;
}
