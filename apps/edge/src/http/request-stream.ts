// GET /v1/fairlane/requests/{request}/stream: the rest of an event stream whose connection was lost, from the token after
// the one that Last-Event-ID names. Owns what is asked of the hub; which node has the answer is the hub's to find. The
// tenant whose request it was may read it, with any of its keys for inference, and nobody else learns that it exists.
import { AppError, HUB_ATTACH_URL, shardOf, type HubAttachRequest } from "@fairlane/protocol";
import { admit } from "../admission/admit.ts";
import { authenticate } from "../auth/authenticate.ts";
import { hubShard, type EdgeContext, type EdgeDependencies } from "../edge-context.ts";
import { logFailure } from "../errors/log-failure.ts";
import { REQUEST_DEADLINE_MS } from "../limits.ts";

const REQUEST_ID = /^req_[0-9a-z]{1,64}$/;
/** An index of an output token. */
const TOKEN_INDEX = /^[0-9]{1,9}$/;

export function requestStreamRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    const claim = await authenticate(context.req.raw.headers, deps.config.keyPepper);
    const principal = await admit(context, deps, { claim, scope: "inference", hold: null });
    const { tenantId, keyId } = principal;
    const requestId = context.req.param("request") ?? "";
    if (!REQUEST_ID.test(requestId)) {
      throw new AppError("not_found", "A request's id is `req_` and what its answer said.");
    }
    const lastTokenIndex = lastIndexOf(context.req.header("last-event-id"));
    const deadlineMs = context.get("startedMs") + REQUEST_DEADLINE_MS;
    const ask: HubAttachRequest = { requestId, tenantId, keyId, lastTokenIndex, deadlineMs };
    const hub = hubShard(deps, shardOf(requestId, deps.config.hubShardCount));
    const init = { method: "POST", body: JSON.stringify(ask) };
    const answer = await hub.fetch(HUB_ATTACH_URL, init).catch((error: unknown) => {
      logFailure("attach_failed", context.get("requestId"), error);
      throw new AppError("upstream_error", "The region's hub was lost before it answered.");
    });
    return new Response(answer.body, answer);
  };
}

function lastIndexOf(header: string | undefined): number {
  if (header === undefined || header === "") return -1;
  if (TOKEN_INDEX.test(header)) return Number(header);
  const message = "Last-Event-ID is the `id` of an event of the stream: the index of a token.";
  throw new AppError("invalid_value", message, { param: "Last-Event-ID" });
}
