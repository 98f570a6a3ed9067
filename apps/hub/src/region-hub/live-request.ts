// Owns the state of one request at the hub: waiting for a node, submitted to one, or being answered by one.
import type { HubRequest, SubmitRequest } from "@fairlane/protocol";
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

export interface LiveRequest {
  readonly id: string;
  readonly tenantId: string;
  readonly keyId: string;
  readonly sink: AnswerSink;
  readonly createdMs: number;
  readonly deadlineMs: number;
  /** What a node needs; dropped once one accepted, since there is no failover after that. */
  work: { readonly request: HubRequest; readonly bodyChars: number } | undefined;
  /** Nodes that turned it away. */
  readonly refusedBy: Set<string>;
  /** Submissions so far. */
  attempt: number;
  placement: Placement;
}

/** The request as the wire has it, as JSON text. */
export function submitText(request: HubRequest, attempt: number): string {
  const submit: SubmitRequest = {
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
    endpoint: "chat.completions",
    body: request.body,
  };
  return JSON.stringify(submit);
}
