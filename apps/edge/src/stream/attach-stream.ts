// Owns asking a shard for the event stream of a request that runs, or ended a moment ago, from some token on. Which node
// has the answer is the hub's to find; who may ask is the caller's to decide.
import { AppError, HUB_ATTACH_URL, shardOf, type HubAttachRequest } from "@fairlane/protocol";
import { hubShard, type EdgeContext, type EdgeDependencies } from "../edge-context.ts";
import { logFailure } from "../errors/log-failure.ts";
import { REQUEST_DEADLINE_MS } from "../limits.ts";

/**
 * The hub's answer as it is: a stream, or an error in the API's shape. A reader that has the stream now loses it to this
 * one. Throws `upstream_error` when the hub is lost.
 */
export async function attachStream(
  context: EdgeContext,
  deps: EdgeDependencies,
  wanted: Omit<HubAttachRequest, "deadlineMs">,
): Promise<Response> {
  const deadlineMs = context.get("startedMs") + REQUEST_DEADLINE_MS;
  const hub = hubShard(deps, shardOf(wanted.requestId, deps.config.hubShardCount));
  const init = { method: "POST", body: JSON.stringify({ ...wanted, deadlineMs }) };
  return hub.fetch(HUB_ATTACH_URL, init).catch((error: unknown) => {
    logFailure("attach_failed", context.get("requestId"), error);
    throw new AppError("upstream_error", "The region's hub was lost before it answered.");
  });
}
