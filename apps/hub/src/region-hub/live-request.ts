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
import { answerForm, formText, type NotedTerms } from "./answer-form.ts";
import type { AnswerSink } from "./answer-sink.ts";
import type { Placement, UnheardAt } from "./placement.ts";

export interface LiveGrant extends Omit<HubGrant, "tokens"> {
  /** Output tokens of each answer that its node may compute. */
  tokens: number;
  readonly projectId: string;
  readonly keyId: string;
  readonly priceVersion: string;
  /** The account is not asked before. */
  nextAskMs: number;
  /** The newest attempt that the account knows of. */
  toldAttempt: number;
  /** The account is being asked. */
  isAsking: boolean;
  /** There was no more when it was asked last. */
  isRefused: boolean;
}

/** The grant that a request came with; null where nothing bounds its output. @param toldAttempt known to its account */
export function liveGrantOf(
  terms: Pick<NotedTerms, "projectId" | "keyId" | "priceVersion"> & {
    readonly grant?: HubGrant | undefined;
  },
  toldAttempt: number,
): LiveGrant | null {
  const { grant, projectId, keyId, priceVersion } = terms;
  if (grant === undefined) return null;
  const asked = { nextAskMs: 0, toldAttempt, isAsking: false, isRefused: false };
  return { ...grant, projectId, keyId, priceVersion, ...asked };
}

/** Whether nodes are told that more may come. */
export function mayGrow({
  tokens,
  outputTokensMax,
  isRefused = false,
}: Pick<LiveGrant, "tokens" | "outputTokensMax"> & { readonly isRefused?: boolean }): boolean {
  return tokens < outputTokensMax && !isRefused;
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
  /** Who pays for it and by which prices; null where that is not known here. */
  readonly billed: Pick<NotedTerms, "projectId" | "keyId" | "priceVersion"> | null;
  /** Nodes that turned it away. */
  readonly refusedBy: Set<string>;
  /** Submissions so far, those of an earlier run of the id included. */
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
    billed: { projectId, keyId, priceVersion },
    ...{ id: requestId, tenantId, keyId, sink, createdMs, deadlineMs, work },
    grant: liveGrantOf(work.request, 1),
    refusedBy: new Set(),
    attempt: work.request.attemptsBefore ?? 0,
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
    ...wireGrant(request.grant),
    ...(request.adapter === undefined ? {} : { adapter: request.adapter }),
    ...formOf(request, attempt),
  };
  return JSON.stringify(submitOf(request, terms));
}

function wireGrant(grant: HubGrant | undefined) {
  if (grant === undefined) return {};
  const grant_tokens = grant.tokens;
  return mayGrow(grant) ? { grant_tokens, grant_may_grow: true as const } : { grant_tokens };
}

/** Only a stream can be attached to: whoever waits for one body has no token to name. */
function formOf(request: HubWork, attempt: number): { readonly form?: string } {
  if (!hasForm(request) || request.body.stream !== true) return {};
  const form = formText(request, attempt);
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
