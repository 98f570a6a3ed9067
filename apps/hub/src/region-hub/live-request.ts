// Owns the state of one request at the hub, and its form on the wire.
import {
  protocolLimits,
  type HubCompletionRequest,
  type HubCountRequest,
  type HubEmbeddingRequest,
  type HubGrant,
  type HubRequest,
  type SubmitRequest,
} from "@fairlane/protocol";
import { answerForm, formText } from "./answer-form.ts";
import type { AnswerSink } from "./answer-sink.ts";
import type { Placement, UnheardAt } from "./placement.ts";

export interface LiveGrant extends Omit<HubGrant, "tokens"> {
  /** Output tokens of each answer that its node may compute. */
  tokens: number;
  readonly projectId: string;
  readonly priceVersion: string;
  /** The account is not asked before. */
  nextAskMs: number;
  /** The newest attempt that the account knows of. */
  toldAttempt: number;
}

/** The grant that a request came with. */
export function liveGrantOf({ grant, projectId, priceVersion }: HubWork): LiveGrant | null {
  return grant === undefined
    ? null
    : { ...grant, projectId, priceVersion, nextAskMs: 0, toldAttempt: 1 };
}

/** What the edge asks for. */
export type HubWork = HubRequest | HubCompletionRequest | HubCountRequest | HubEmbeddingRequest;

export interface LiveRequest {
  readonly id: string;
  readonly tenantId: string;
  readonly keyId: string;
  readonly sink: AnswerSink;
  readonly createdMs: number;
  readonly deadlineMs: number;
  /** What a node needs; dropped with the first token, since there is no failover after that. */
  work: { readonly request: HubWork; readonly bodyChars: number } | undefined;
  /** Of a request under a hard budget; what is renewed. */
  readonly grant: LiveGrant | null;
  /** For whose project it is billed and by which prices; null where that is not known here. */
  readonly billed: { readonly projectId: string; readonly priceVersion: string } | null;
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
  const { projectId, priceVersion } = work.request;
  return {
    billed: { projectId, priceVersion },
    ...{ id: requestId, tenantId, keyId, sink, createdMs, deadlineMs, work },
    grant: liveGrantOf(work.request),
    refusedBy: new Set(),
    attempt: 0,
    unheardAt: undefined,
    isAccepted: false,
    placement: { state: "unplaced", untilMs },
  };
}

/** Answers that come in deltas; requests for embeddings and counts have none. */
export function choiceCountOf(work: HubWork | undefined): number {
  if (work === undefined) return 1;
  if ("endpoint" in work && work.endpoint !== "completions") return 1;
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
    ...(request.grant === undefined ? {} : { grant_tokens: request.grant.tokens }),
    ...(request.adapter === undefined ? {} : { adapter: request.adapter }),
    ...formOf(request),
  };
  return JSON.stringify(submitOf(request, terms));
}

/** Only a stream can be attached to: whoever waits for one body has no token to name. */
function formOf(request: HubWork): { readonly form?: string } {
  if (!hasForm(request) || request.body.stream !== true) return {};
  const form = formText(request);
  // One that repeats large tools is not noted: such a stream cannot be attached to.
  return form.length <= protocolLimits.ANSWER_FORM_CHARS_MAX ? { form } : {};
}

function hasForm(work: HubWork): work is HubRequest | HubCompletionRequest {
  return !("endpoint" in work) || work.endpoint === "completions";
}

function submitOf(
  request: HubWork,
  terms: Omit<SubmitRequest, "endpoint" | "body">,
): SubmitRequest {
  if (!("endpoint" in request)) {
    return { ...terms, endpoint: "chat.completions", body: request.body };
  }
  switch (request.endpoint) {
    case "completions":
      return { ...terms, endpoint: request.endpoint, body: request.body };
    case "count_tokens":
      return { ...terms, endpoint: request.endpoint, body: request.body };
    case "embeddings":
      return { ...terms, endpoint: request.endpoint, body: request.body };
  }
}
