// POST /v1/messages/count_tokens: how many tokens a request's prompt has, counted by a node with the tokeniser and the
// template that would answer it. It computes nothing, is billed nothing, and counts as one request of the rate limit.
import type { Result } from "@fairlane/base";
import {
  AppError,
  parseCountTokensRequest,
  promptChat,
  protocolLimits,
  shardOf,
  type CountTokensRequest,
  type ErrorValue,
} from "@fairlane/protocol";
import { resolveModel } from "../adapters/resolve-model.ts";
import { admit } from "../admission/admit.ts";
import { authenticate } from "../auth/authenticate.ts";
import { hubShard, type EdgeContext, type EdgeDependencies } from "../edge-context.ts";
import { COUNT_DEADLINE_MS } from "../limits.ts";
import { relayCount } from "../stream/relay.ts";
import { checkAnthropicVersion } from "./anthropic-version.ts";
import { hubTerms } from "./hub-terms.ts";
import { readJson } from "./read-json.ts";

export function countTokensRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    // E1. Authenticate.
    const claim = await authenticate(context.req.raw.headers, deps.config.keyPepper);

    // E2. Admit, without a hold: nothing is computed.
    const asked = await resolveModel(deps, claim, await readCountRequest(context.req.raw));
    const wanted = asked.ok ? asked.value.wanted : undefined;
    const principal = await admit(context, deps, { claim, scope: "inference", hold: null, wanted });
    if (!asked.ok) throw AppError.of(asked.error);
    const { body, adapterTerm } = asked.value;

    // E4. Route.
    const deadlineMs = context.get("startedMs") + COUNT_DEADLINE_MS;
    const terms = hubTerms(context, principal, deadlineMs);
    const chat = promptChat(body);
    const request = { ...terms, ...adapterTerm, endpoint: "count_tokens", body: chat } as const;
    const hub = hubShard(deps, shardOf(request.requestId, deps.config.hubShardCount));

    // E5. Answer.
    const promptTokens = await relayCount({ hub, request });
    return Response.json({ input_tokens: promptTokens });
  };
}

async function readCountRequest(request: Request): Promise<Result<CountTokensRequest, ErrorValue>> {
  const version = checkAnthropicVersion(request.headers);
  if (!version.ok) return version;
  const body = await readJson(request, protocolLimits.BODY_BYTES_MAX);
  return body.ok ? parseCountTokensRequest(body.value) : body;
}
