// Owns admission to the running set. Strict: pages for prompt and whole output are held until the end, so no running
// request ever lacks one. Optimistic: pages for the prompt and some to spare are enough, decodes take further ones and
// preemption.ts chooses who pauses when there are none. What the prefix cache has of the prompt is found and pinned here,
// in one go. Invariant: requests join in the order of the fair queue; when the one whose turn it is does not fit, nobody joins.
import { assert } from "@fairlane/base";
import { readsHistory } from "../engine/sampling-columns.ts";
import { NONE } from "../engine/step-layout.ts";
import type { AdmissionMode } from "../engine/worker-messages.ts";
import { ADMISSION_SPARE_PERCENT, PREEMPTIONS_MAX } from "../limits.ts";
import { BlockTable } from "../memory/block-table.ts";
import type { CachedPrefix } from "../memory/prefix-index.ts";
import type {
  PreemptedRequest,
  QueuedRequest,
  RunningRequest,
  WaitingRequest,
} from "../request/request.ts";
import type { PromptRest } from "./batch-builder.ts";
import { pagesAhead } from "./preemption.ts";
import { forkPagesOf, joinForks } from "./forks.ts";
import type { SchedulerParts } from "./scheduler-parts.ts";

const NO_PREFIX: CachedPrefix = { blockCount: 0, blocks: [] };

export interface JoinAsk {
  /** Whose turn it is. */
  readonly head: WaitingRequest;
  /** Cached pages that the step's plan still has room for. */
  readonly cachedPagesMax: number;
  readonly hasRoomFor: (rest: PromptRest) => boolean;
}

/** Joins the request whose turn it is, and whose adapter is in pages, to the running set; null when it does not fit now. */
export function joinNext(parts: SchedulerParts, ask: JoinAsk): RunningRequest | null {
  const { table, adapters } = parts;
  const { head } = ask;
  if (table.freeSlotCount < 1 + forkCountOf(head)) return null;
  const { adapter } = head.spec;
  if (adapter === undefined || adapters === null) return join(parts, ask, NONE);
  // While it is looked for a place, its adapter is not what makes room.
  const joined = join(parts, ask, adapters.pin(adapter.digest));
  if (joined === null) {
    adapters.unpin(adapter.digest);
    return null;
  }
  adapters.noteUse(adapter.digest);
  adapters.unwant(adapter.digest);
  return joined;
}

function join(parts: SchedulerParts, ask: JoinAsk, adapterSlot: number): RunningRequest | null {
  const { waiting, table, info, clock } = parts;
  const { head } = ask;
  if (head.state === "preempted" && head.ticket !== null && head.ticket.saved.state !== "lost") {
    return swapIn(parts, head, { ...ask, adapterSlot });
  }
  const cached = cachedBlocks(parts, head, ask.cachedPagesMax);
  const heldTokens = cached.blockCount * info.pageTokens;
  const leftTokens = prefillLengthOf(head) - heldTokens;
  if (!ask.hasRoomFor({ firstPosition: heldTokens, leftTokens })) return null;
  const place = placed(parts, head, cached);
  if (place === null) return null;
  const { blocks, tokens } = place;
  const scheduledAtMs = clock.nowMs();
  const parent = table.join(head, { blocks, scheduledAtMs, heldTokens, adapterSlot });
  waiting.joined(parent);
  if (head.state === "queued") joinForks(parts, head, { parent, tokens });
  return parent;
}

/**
 * Joins a request whose pages were saved, once they have been loaded into pages of its own; null until then. What the
 * cache still has of them is taken from there.
 */
function swapIn(
  parts: SchedulerParts,
  head: PreemptedRequest,
  ask: JoinAsk & { readonly adapterSlot: number },
): RunningRequest | null {
  const { swapper, info, table, waiting, clock } = parts;
  const { ticket } = head;
  assert(swapper !== null && ticket !== null, `${head.spec.requestId} has no saved pages`);
  const { blocks, saved, positions } = ticket;
  if (saved.state === "saved") {
    const cached = cachedBlocks(parts, head, Math.floor(positions / info.pageTokens));
    const place = placed(parts, head, cached);
    if (place !== null) swapper.load(ticket, place.blocks, cached.blockCount);
    return null;
  }
  if (saved.state !== "loaded" || blocks === null) return null;
  const leftTokens = prefillLengthOf(head) - positions;
  const rest = { firstPosition: positions, leftTokens };
  if (saved.pageCount > ask.cachedPagesMax || !ask.hasRoomFor(rest)) return null;
  blocks.noteFilled(positions);
  const { adapterSlot } = ask;
  const place = { blocks: swapper.take(ticket, blocks), heldTokens: positions, adapterSlot };
  const joined = table.join(head, { ...place, scheduledAtMs: clock.nowMs() });
  waiting.joined(joined);
  return joined;
}

/** Answers that join with it; those of a preempted request have joined before. */
function forkCountOf(request: WaitingRequest): number {
  return request.state === "queued" ? (request.spec.forks?.length ?? 0) : 0;
}

/** What the cache has of the prefill; never its last token, whose logits are wanted. */
export function cachedBlocks(
  { prefixes, info }: Pick<SchedulerParts, "prefixes" | "info">,
  request: Pick<QueuedRequest, "chain" | "spec"> & { readonly outputTokens?: number },
  pagesMax: number,
): CachedPrefix {
  const { chain, spec, outputTokens = 0 } = request;
  if (prefixes === null || chain === undefined || readsHistory(spec)) return NO_PREFIX;
  const usableTokens = spec.promptTokens.length + outputTokens - 1;
  return prefixes.match(chain, Math.min(Math.floor(usableTokens / info.pageTokens), pagesMax));
}

/** Positions that a joining request gets pages for, more only later or never, and pages that others must still find free. */
export function reservationOf(
  { mode, pageCount, runningCount, canSwap }: ReservationContext,
  request: WaitingRequest,
): { readonly tokens: number; readonly sparePages: number; readonly isLaterGrown: boolean } {
  const most = request.spec.promptTokens.length + request.outputTokensMax;
  // What was preempted as often as may be is not again: it never lacks a page.
  const isStrict = mode === "strict" || preemptionCountOf(request) >= PREEMPTIONS_MAX;
  if (isStrict) return { tokens: most, sparePages: 0, isLaterGrown: false };
  // Alone it may have all; what fits an empty pool must always be able to join.
  const tokens = prefillLengthOf(request);
  if (runningCount === 0) return { tokens, sparePages: 0, isLaterGrown: true };
  const sparePages = Math.ceil((pageCount * ADMISSION_SPARE_PERCENT) / 100);
  const aheadPages = canSwap ? pagesAhead(runningCount + 1) : 0;
  return { tokens, sparePages: Math.max(sparePages, aheadPages), isLaterGrown: true };
}

interface ReservationContext {
  readonly mode: AdmissionMode;
  readonly pageCount: number;
  readonly runningCount: number;
  /** Requests are swapped out while pages are left. */
  readonly canSwap: boolean;
}

function prefillLengthOf(request: WaitingRequest): number {
  const outputTokens = request.state === "queued" ? 0 : request.outputTokens;
  return request.spec.promptTokens.length + outputTokens;
}

function preemptionCountOf(request: WaitingRequest): number {
  return request.state === "queued" ? 0 : request.preemptionCount;
}

/**
 * The pages: cached ones, and fresh ones for the rest, for which others may be evicted; null when there are too few.
 * Those of its forks, for as many positions each, are free afterwards.
 */
function placed(
  { room, prefixes, info, table, admission, swapper, adapters, pool }: SchedulerParts,
  request: WaitingRequest,
  cached: CachedPrefix,
): { readonly blocks: BlockTable; readonly tokens: number } | null {
  const context = {
    mode: admission,
    pageCount: info.pageCount,
    runningCount: table.running.length,
    canSwap: swapper !== null,
  };
  const { tokens, sparePages, isLaterGrown } = reservationOf(context, request);
  const blocks = new BlockTable(info.pageTokens, info.kvGroups);
  const forkCount = forkCountOf(request);
  const forkPages = forkCount * forkPagesOf(request.spec, tokens, info);
  const heldPages = cached.blockCount * info.kvGroups.length;
  // Windows give pages back from chunk to chunk; forks share those of the whole prompt.
  const firstChunkEnd = cached.blockCount * info.pageTokens + info.capacity.tokens;
  const windowedTokens = isLaterGrown && forkCount === 0 ? Math.min(tokens, firstChunkEnd) : tokens;
  const freshPages = blocks.lackingPages(tokens, windowedTokens) - heldPages + forkPages;
  const pinnedPages = prefixes?.idlePagesOf(cached) ?? 0;
  const hasPages = (): boolean => freshPages + sparePages <= room.pagesWithin - pinnedPages;
  // Whose turn it was when pages were loaded for it may have to wait again.
  while (!hasPages()) if (swapper?.unload() !== true) return null;
  prefixes?.attach(cached, blocks);
  while (!room.makeRoom(freshPages)) {
    const isComing = pool.freeCount + pool.quarantinedCount >= freshPages;
    if (!isComing && adapters?.giveUp(request.spec.adapter?.digest) === true) continue;
    blocks.release(pool);
    return null;
  }
  prefixes?.noteUse(cached);
  blocks.reserve(pool, tokens, windowedTokens);
  return { blocks, tokens };
}
