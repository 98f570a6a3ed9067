// POST /v1/chat/completions: E0, the way of a request through the edge as one list. Each step is a file.
import { type Result } from "@fairlane/base";
import {
  AppError,
  chatHold,
  parseChatRequest,
  protocolLimits,
  shardOf,
  type ChatRequest,
  type ErrorValue,
} from "@fairlane/protocol";
import { resolveModel } from "../adapters/resolve-model.ts";
import { admit } from "../admission/admit.ts";
import { authenticate } from "../auth/authenticate.ts";
import { hubShard, type EdgeContext, type EdgeDependencies } from "../edge-context.ts";
import { HOLD_LEASE_EXTRA_MS, REQUEST_DEADLINE_MS } from "../limits.ts";
import { relayCompletion, relayStream } from "../stream/relay.ts";
import { hubTerms } from "./hub-terms.ts";
import { readJson } from "./read-json.ts";

export function chatCompletionsRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    // E1. Authenticate: who the key says it is.
    const claim = await authenticate(context.req.raw.headers, deps.config.keyPepper);

    // E2. Admit. A request with mistakes is admitted without a hold: its key is verified and it counts towards
    // the limits before its mistakes are told.
    const asked = await resolveModel(deps, claim, await readChatRequest(context.req.raw));
    const deadlineMs = context.get("startedMs") + REQUEST_DEADLINE_MS;
    const leaseUntilMs = deadlineMs + HOLD_LEASE_EXTRA_MS;
    const hold = asked.ok ? { ...chatHold(asked.value.body), leaseUntilMs } : null;
    const wanted = asked.ok ? asked.value.wanted : undefined;
    const principal = await admit(context, deps, { claim, scope: "inference", hold, wanted });
    if (!asked.ok) throw AppError.of(asked.error);
    const { body, adapterTerm } = asked.value;

    // E4. Route: the request's id names the shard, the shard chooses the node.
    const terms = hubTerms(context, principal, deadlineMs);
    const request = { ...terms, ...adapterTerm, body };
    const hub = hubShard(deps, shardOf(request.requestId, deps.config.hubShardCount));

    // E5. Answer.
    return request.body.stream === true
      ? relayStream({ hub, request })
      : relayCompletion({ hub, request });
  };
}

async function readChatRequest(request: Request): Promise<Result<ChatRequest, ErrorValue>> {
  const body = await readJson(request, protocolLimits.BODY_BYTES_MAX);
  return body.ok ? parseChatRequest(body.value) : body;
}
