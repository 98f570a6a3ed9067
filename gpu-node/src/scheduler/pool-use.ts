// Owns the report of who has the pages of the pool, for metrics and load.
import type { PoolUse } from "../engine/worker-messages.ts";
import type { SchedulerParts } from "./scheduler-parts.ts";

/** Who has the pages now. */
export function poolUseOf({
  pool,
  prefixes,
  adapters,
}: Pick<SchedulerParts, "pool" | "prefixes" | "adapters">): PoolUse {
  const ofAdapters = adapters?.use;
  const { pages: adapterPages = 0, idlePages: idleAdapterPages = 0 } = ofAdapters ?? {};
  const cachedIdlePages = pool.idleCachedCount - idleAdapterPages;
  return {
    kvPages: pool.usedCount - cachedIdlePages - adapterPages,
    cachedIdlePages,
    adapterPages,
    quarantinedPages: pool.quarantinedCount,
    freePages: pool.freeCount,
    cachedBlocks: prefixes?.blockCount ?? 0,
    evictedBlocks: prefixes?.evictedCount ?? 0,
    ...(ofAdapters !== undefined && { adapters: ofAdapters }),
  };
}
