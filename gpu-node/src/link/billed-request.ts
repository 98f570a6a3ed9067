// Owns what the journal keeps of a submitted request for its bill.
import type { SubmitRequest } from "@fairlane/protocol";
import type { EngineRequest } from "../engine/worker-messages.ts";
import type { BilledRequest } from "../usage/usage-record-row.ts";

/** What a request is billed as: the base model, whatever adapter it names. */
export function billedRequest(
  submitted: SubmitRequest,
  requests: readonly EngineRequest[],
  model: string,
): BilledRequest {
  return {
    requestId: submitted.id,
    attempt: submitted.attempt,
    tenantId: submitted.tenant_id,
    projectId: submitted.project_id,
    keyId: submitted.key_id,
    model,
    priceVersion: submitted.price_version,
    promptTokens: promptTokensOf(requests),
    receivedAtMs: requests[0]?.receivedAtMs ?? 0,
  };
}

/** Tokens of all prompts or inputs of one API request. */
export function promptTokensOf(requests: readonly EngineRequest[]): number {
  return requests.reduce((sum, { promptTokens }) => sum + promptTokens.length, 0);
}
