// POST /v1/completions: E0, by the same stages as a chat.
import type { Result } from "@fairlane/base";
import {
  AppError,
  completionHold,
  parseCompletionRequest,
  protocolLimits,
  shardOf,
  type CompletionRequest,
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

export function completionsRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    // E1. Authenticate.
    const claim = await authenticate(context.req.raw.headers, deps.config.keyPepper);

    // E2. Admit; a request with mistakes without a hold.
    const asked = await resolveModel(deps, claim, await readCompletionRequest(context.req.raw));
    const deadlineMs = context.get("startedMs") + REQUEST_DEADLINE_MS;
    const leaseUntilMs = deadlineMs + HOLD_LEASE_EXTRA_MS;
    const hold = asked.ok ? { ...completionHold(asked.value.body), leaseUntilMs } : null;
    const wanted = asked.ok ? asked.value.wanted : undefined;
    const principal = await admit(context, deps, { claim, scope: "inference", hold, wanted });
    if (!asked.ok) throw AppError.of(asked.error);
    const { body, adapterTerm } = asked.value;

    // E4. Route.
    const terms = hubTerms(context, principal, deadlineMs);
    const request = { ...terms, ...adapterTerm, endpoint: "completions", body } as const;
    const hub = hubShard(deps, shardOf(request.requestId, deps.config.hubShardCount));

    // E5. Answer.
    return request.body.stream === true
      ? relayStream({ hub, request })
      : relayCompletion({ hub, request });
  };
}

async function readCompletionRequest(
  request: Request,
): Promise<Result<CompletionRequest, ErrorValue>> {
  const body = await readJson(request, protocolLimits.BODY_BYTES_MAX);
  return body.ok ? parseCompletionRequest(body.value) : body;
}
