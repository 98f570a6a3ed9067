// POST /v1/responses/input_tokens: how many tokens the prompt of a response has, what is stored before it included,
// counted by a node with the tokeniser and the template that would answer it. It is billed nothing and counts as one
// request of the rate limit.
import type { Result } from "@fairlane/base";
import {
  AppError,
  parseInputTokensRequest,
  protocolLimits,
  shardOf,
  type ErrorValue,
  type ResponseRequest,
} from "@fairlane/protocol";
import { resolveModel } from "../adapters/resolve-model.ts";
import { admit } from "../admission/admit.ts";
import { authenticate } from "../auth/authenticate.ts";
import { hubShard, type EdgeContext, type EdgeDependencies } from "../edge-context.ts";
import { COUNT_DEADLINE_MS } from "../limits.ts";
import { relayCount } from "../stream/relay.ts";
import { hubTerms } from "./hub-terms.ts";
import { readJson } from "./read-json.ts";
import { responseConversation } from "./response-conversation.ts";
import { nameResponseFields } from "./response-fields.ts";

export function countInputTokensRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    // E1. Authenticate.
    const claim = await authenticate(context.req.raw.headers, deps.config.keyPepper);

    // E2. Admit, without a hold: nothing is computed.
    const asked = await resolveModel(deps, claim, await readCountRequest(context.req.raw));
    const wanted = asked.ok ? asked.value.wanted : undefined;
    const principal = await admit(context, deps, { claim, scope: "inference", hold: null, wanted });
    if (!asked.ok) throw AppError.of(asked.error);

    // E3. Look up: the conversation so far.
    const { body: request, adapterTerm } = asked.value;
    const { chat } = await responseConversation(context, deps, { principal, request });

    // E4. Route.
    const terms = hubTerms(context, principal, context.get("startedMs") + COUNT_DEADLINE_MS);
    const work = { ...terms, ...adapterTerm, endpoint: "count_tokens", body: chat } as const;
    const hub = hubShard(deps, shardOf(work.requestId, deps.config.hubShardCount));

    // E5. Answer.
    return nameResponseFields(answer(relayCount({ hub, request: work })));
  };
}

async function readCountRequest(request: Request): Promise<Result<ResponseRequest, ErrorValue>> {
  const body = await readJson(request, protocolLimits.BODY_BYTES_MAX);
  return body.ok ? parseInputTokensRequest(body.value) : body;
}

async function answer(counting: Promise<number>): Promise<Response> {
  return Response.json({ object: "response.input_tokens", input_tokens: await counting });
}
