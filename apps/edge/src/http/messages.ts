// POST /v1/messages, Anthropic's chat: E0, by the same stages as a chat. Its errors get Anthropic's shape in
// message-errors.ts, like those of everything below this path.
import type { Result } from "@fairlane/base";
import {
  AppError,
  chatHold,
  messageChat,
  parseMessageRequest,
  protocolLimits,
  shardOf,
  type ErrorValue,
  type MessageRequest,
} from "@fairlane/protocol";
import { resolveModel } from "../adapters/resolve-model.ts";
import { admit } from "../admission/admit.ts";
import { authenticate } from "../auth/authenticate.ts";
import { hubShard, type EdgeContext, type EdgeDependencies } from "../edge-context.ts";
import { HOLD_LEASE_EXTRA_MS, REQUEST_DEADLINE_MS } from "../limits.ts";
import { relayCompletion, relayStream } from "../stream/relay.ts";
import { checkAnthropicVersion } from "./anthropic-version.ts";
import { hubTerms } from "./hub-terms.ts";
import { readJson } from "./read-json.ts";

export function messagesRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    // E1. Authenticate.
    const claim = await authenticate(context.req.raw.headers, deps.config.keyPepper);

    // E2. Admit; a request with mistakes without a hold.
    const asked = await resolveModel(deps, claim, await readMessageRequest(context.req.raw));
    const deadlineMs = context.get("startedMs") + REQUEST_DEADLINE_MS;
    const leaseUntilMs = deadlineMs + HOLD_LEASE_EXTRA_MS;
    const hold = asked.ok ? { ...chatHold(messageChat(asked.value.body)), leaseUntilMs } : null;
    const wanted = asked.ok ? asked.value.wanted : undefined;
    const principal = await admit(context, deps, { claim, scope: "inference", hold, wanted });
    if (!asked.ok) throw AppError.of(asked.error);
    const { body, adapterTerm } = asked.value;

    // E4. Route.
    const terms = hubTerms(context, principal, deadlineMs);
    const answer = { kind: "message" } as const;
    const request = { ...terms, ...adapterTerm, body: messageChat(body), answer };
    const hub = hubShard(deps, shardOf(request.requestId, deps.config.hubShardCount));

    // E5. Answer.
    return body.stream === true ? relayStream({ hub, request }) : relayCompletion({ hub, request });
  };
}

async function readMessageRequest(request: Request): Promise<Result<MessageRequest, ErrorValue>> {
  const version = checkAnthropicVersion(request.headers);
  if (!version.ok) return version;
  const body = await readJson(request, protocolLimits.BODY_BYTES_MAX);
  return body.ok ? parseMessageRequest(body.value) : body;
}
