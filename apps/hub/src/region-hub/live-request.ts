// Owns the state of one request at the hub: waiting for a node, submitted to one, or being answered by one.
import {
  type HubCompletionRequest,
  type HubEmbeddingRequest,
  type HubRequest,
  type SubmitRequest,
} from "@fairlane/protocol";
import { answerForm } from "./answer-form.ts";
import type { AnswerSink } from "./answer-sink.ts";
import type { NodeLink } from "./node-link.ts";

export type Placement =
  /** No node could take it yet. */
  | { readonly state: "unplaced"; readonly untilMs: number }
  /** A node has it and has not said whether it accepts. */
  | { readonly state: "submitted"; readonly link: NodeLink; readonly untilMs: number }
  /** A node accepted; tokens arrive. */
  | {
      readonly state: "answering";
      readonly link: NodeLink;
      readonly promptTokens: number;
      /** Output tokens received so far, of all answers. */
      outputTokens: number;
      /** The same of each answer, by choice. */
      readonly choiceTokens: number[];
    };

/** What the edge asks for. */
export type HubWork = HubRequest | HubCompletionRequest | HubEmbeddingRequest;

export interface LiveRequest {
  readonly id: string;
  readonly tenantId: string;
  readonly keyId: string;
  readonly sink: AnswerSink;
  readonly createdMs: number;
  readonly deadlineMs: number;
  /** What a node needs; dropped once one accepted, since there is no failover after that. */
  work: { readonly request: HubWork; readonly bodyChars: number } | undefined;
  /** Nodes that turned it away. */
  readonly refusedBy: Set<string>;
  /** Submissions so far. */
  attempt: number;
  placement: Placement;
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
  };
  return JSON.stringify(submitOf(request, terms));
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
