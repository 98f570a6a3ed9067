// Owns further answers to one prompt (`n`): what they need beside the request that they fork from, and their joining
// with it. [PagedAttention] sec. 4.4: they share the prompt's full pages; the part-filled last one becomes a copy before the first
// write. A fork computes the prompt's last token itself, since it samples from its logits. Invariant: a request joins
// with all of its forks or not at all, so none of them can wait for another in a full pool.
import { assert, units } from "@fairlane/base";
import type { EngineInfo } from "../engine/engine.ts";
import { readsHistory } from "../engine/sampling-columns.ts";
import type { EngineRequest } from "../engine/worker-messages.ts";
import { STEP_CACHED_PAGES_MAX } from "../limits.ts";
import { BlockTable } from "../memory/block-table.ts";
import type { QueuedRequest, RunningRequest } from "../request/request.ts";
import type { SchedulerParts } from "./scheduler-parts.ts";

/** Positions of the prompt that a fork takes over: all but the last, unless sampling reads them or a plan cannot map so many. */
export function sharedTokensOf(
  spec: EngineRequest,
  { pageTokens }: Pick<EngineInfo, "pageTokens">,
): number {
  if (readsHistory(spec)) return 0;
  return Math.min(spec.promptTokens.length - 1, STEP_CACHED_PAGES_MAX * pageTokens);
}

/** Fresh pages of one fork that holds `tokens` positions. */
export function forkPagesOf(
  spec: EngineRequest,
  tokens: number,
  { pageTokens, kvGroups }: Pick<EngineInfo, "pageTokens" | "kvGroups">,
): number {
  const sharedBlocks = Math.floor(sharedTokensOf(spec, { pageTokens }) / pageTokens);
  return (units.pagesForTokens(tokens, pageTokens) - sharedBlocks) * kvGroups.length;
}

/** Joins the forks of a request that joined just now; slots and pages were checked. `tokens`: positions of each. */
export function joinForks(
  { pool, table, info, waiting, adapters }: SchedulerParts,
  head: QueuedRequest,
  joined: { readonly parent: RunningRequest; readonly tokens: number },
): void {
  const { parent, tokens } = joined;
  const sharedTokens = sharedTokensOf(head.spec, info);
  for (const spec of forkSpecs(head.spec)) {
    const fork: QueuedRequest = { ...head, spec, chain: head.chain?.fork() };
    table.addQueued(fork);
    const blocks =
      sharedTokens > 0
        ? parent.blocks.fork(pool, sharedTokens)
        : new BlockTable(info.pageTokens, info.kvGroups);
    blocks.reserve(pool, tokens);
    const { scheduledAtMs, adapterSlot } = parent;
    if (spec.adapter !== undefined) adapters?.pin(spec.adapter.digest);
    const place = { blocks, scheduledAtMs, heldTokens: sharedTokens, adapterSlot };
    const joined = table.join(fork, sharedTokens > 0 ? { ...place, forkOf: parent } : place);
    waiting.forked(parent, { fork: joined, sharedTokens });
  }
}

/** The forks as requests of their own. */
function forkSpecs(spec: EngineRequest): EngineRequest[] {
  const { forks = [], ...shared } = spec;
  return forks.map(({ requestId, seedLow, seedHigh }) => {
    assert(requestId !== spec.requestId, `${requestId} forks from itself`);
    return { ...shared, requestId, sampling: { ...spec.sampling, seedLow, seedHigh } };
  });
}
