// Owns the state of one request at the hub, and its form on the wire.
import {
  type HubCompletionRequest,
  type HubEmbeddingRequest,
  type HubRequest,
  type SubmitRequest,
} from "@fairlane/protocol";
import { answerForm, formText } from "./answer-form.ts";
import type { AnswerSink } from "./answer-sink.ts";
import type { Placement, UnheardAt } from "./placement.ts";

/** What the edge asks for. */
export type HubWork = HubRequest | HubCompletionRequest | HubEmbeddingRequest;

export interface LiveRequest {
  readonly id: string;
  readonly tenantId: string;
  readonly keyId: string;
  readonly sink: AnswerSink;
  readonly createdMs: number;
  readonly deadlineMs: number;
  /** What a node needs; dropped with the first token, since there is no failover after that. */
  work: { readonly request: HubWork; readonly bodyChars: number } | undefined;
  /** Nodes that turned it away. */
  readonly refusedBy: Set<string>;
  /** Submissions so far. */
  attempt: number;
  /** The node that was lost before its word on the newest submission was heard. */
  unheardAt: UnheardAt | undefined;
  /** A node accepted: the status line may be out. */
  isAccepted: boolean;
  placement: Placement;
}

/** A request that has no node yet, which it may wait for until a time. */
export function newLive(
  work: { readonly request: HubWork; readonly bodyChars: number },
  sink: AnswerSink,
  untilMs: number,
): LiveRequest {
  const { requestId, tenantId, keyId, createdMs, deadlineMs } = work.request;
  return {
    ...{ id: requestId, tenantId, keyId, sink, createdMs, deadlineMs, work },
    refusedBy: new Set(),
    attempt: 0,
    unheardAt: undefined,
    isAccepted: false,
    placement: { state: "unplaced", untilMs },
  };
}

/** Answers that come in deltas; an embeddings request has none. */
export function choiceCountOf(work: HubWork | undefined): number {
  if (work === undefined || isEmbedding(work)) return 1;
  return answerForm(work).choiceCount;
}

/** The request as the wire has it, as JSON text. */
export function submitText(request: HubWork, attempt: number): string {
  const terms = {
    id: request.requestId,
    attempt,
    tenant_id: request.tenantId,
    project_id: request.projectId,
    key_id: request.keyId,
    tenant_salt: request.tenantSalt,
    weight: request.weight,
    tier: request.tier,
    deadline_ms: request.deadlineMs,
    price_version: request.priceVersion,
    ...(request.adapter === undefined ? {} : { adapter: request.adapter }),
    ...formOf(request),
  };
  return JSON.stringify(submitOf(request, terms));
}

/** Only a stream can be attached to: whoever waits for one body has no token to name. */
function formOf(request: HubWork): { readonly form?: string } {
  if (isEmbedding(request) || request.body.stream !== true) return {};
  return { form: formText(request) };
}

function submitOf(
  request: HubWork,
  terms: Omit<SubmitRequest, "endpoint" | "body">,
): SubmitRequest {
  if (!("endpoint" in request)) {
    return { ...terms, endpoint: "chat.completions", body: request.body };
  }
  return isEmbedding(request)
    ? { ...terms, endpoint: "embeddings", body: request.body }
    : { ...terms, endpoint: "completions", body: request.body };
}

function isEmbedding(work: HubWork): work is HubEmbeddingRequest {
  return "endpoint" in work && work.endpoint === "embeddings";
}
