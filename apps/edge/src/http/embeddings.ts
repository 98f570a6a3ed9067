// POST /v1/embeddings: E0, by the same stages as a chat.
import type { Result } from "@fairlane/base";
import {
  AppError,
  embeddingHold,
  parseEmbeddingRequest,
  protocolLimits,
  shardOf,
  type EmbeddingRequest,
  type ErrorValue,
} from "@fairlane/protocol";
import { resolveModel } from "../adapters/resolve-model.ts";
import { admit } from "../admission/admit.ts";
import { authenticate } from "../auth/authenticate.ts";
import { hubShard, type EdgeContext, type EdgeDependencies } from "../edge-context.ts";
import { HOLD_LEASE_EXTRA_MS, REQUEST_DEADLINE_MS } from "../limits.ts";
import { relayEmbeddings } from "../stream/relay.ts";
import { hubTerms } from "./hub-terms.ts";
import { readJson } from "./read-json.ts";

export function embeddingsRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    // E1. Authenticate.
    const claim = await authenticate(context.req.raw.headers, deps.config.keyPepper);

    // E2. Admit; a request with mistakes without a hold.
    const asked = await resolveModel(deps, claim, await readEmbeddingRequest(context.req.raw));
    const deadlineMs = context.get("startedMs") + REQUEST_DEADLINE_MS;
    const leaseUntilMs = deadlineMs + HOLD_LEASE_EXTRA_MS;
    const hold = asked.ok ? { ...embeddingHold(asked.value.body), leaseUntilMs } : null;
    const wanted = asked.ok ? asked.value.wanted : undefined;
    const principal = await admit(context, deps, { claim, scope: "inference", hold, wanted });
    if (!asked.ok) throw AppError.of(asked.error);
    const { body, adapterTerm } = asked.value;

    // E4. Route.
    const terms = hubTerms(context, principal, deadlineMs);
    const request = { ...terms, ...adapterTerm, endpoint: "embeddings", body } as const;
    const hub = hubShard(deps, shardOf(request.requestId, deps.config.hubShardCount));

    // E5. Answer.
    return relayEmbeddings({ hub, request });
  };
}

async function readEmbeddingRequest(
  request: Request,
): Promise<Result<EmbeddingRequest, ErrorValue>> {
  const body = await readJson(request, protocolLimits.BODY_BYTES_MAX);
  return body.ok ? parseEmbeddingRequest(body.value) : body;
}
