// GET /health (the script runs) and /ready (every hub shard has a node). Public, so /ready repeats its last
// answer for a moment instead of asking the hubs each time.
import { AppError } from "@fairlane/protocol";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { READY_CACHE_MS } from "../limits.ts";
import { regionModels } from "./region-models.ts";

export function healthRoute() {
  return (): Response => Response.json({ status: "ok" });
}

export function readyRoute(deps: EdgeDependencies) {
  let known = { isReady: false, untilMs: 0 };
  return async (context: EdgeContext): Promise<Response> => {
    if (deps.clock.nowMs() >= known.untilMs) {
      const isReady = await hasNodeOnEveryShard(deps, context.get("requestId"));
      known = { isReady, untilMs: deps.clock.nowMs() + READY_CACHE_MS };
    }
    if (known.isReady) return Response.json({ status: "ready" });
    const message = "No node is linked to every shard of the region's hub yet.";
    throw new AppError("no_capacity", message, { retryAfterMs: READY_CACHE_MS });
  };
}

async function hasNodeOnEveryShard(deps: EdgeDependencies, requestId: string): Promise<boolean> {
  const shards = Array.from({ length: deps.config.hubShardCount }, (_, shard) => shard);
  const lists = await Promise.all(
    shards.map((shard) => regionModels(deps, shard, requestId).catch(() => [])),
  );
  return lists.every((models) => models.length > 0);
}
