// Owns one line of a batch: read it, admit it like any request of its key, at the lowest tier, and make of the answer what
// goes into a file; or say that it is to be tried again. Nothing here is kept.
import { err, ok, type Result } from "@fairlane/base";
import { openControlDb, resolveAdapter, submitAdapterOf } from "@fairlane/db";
import {
  batchRequestId,
  chatHold,
  completionHold,
  embeddingHold,
  errorBody,
  errorSpec,
  grantOf,
  parseChatRequest,
  parseCompletionRequest,
  parseEmbeddingRequest,
  parseModelName,
  shardOf,
  type AdmitInput,
  type BatchSpec,
  type ChatRequest,
  type CompleteOutcome,
  type CompletionRequest,
  type EmbeddingRequest,
  type EmbedOutcome,
  type ErrorCode,
  type ErrorValue,
  type HubRequest,
  type Principal,
  type SubmitAdapter,
  type Wanted,
} from "@fairlane/protocol";
import { hubConfig, type HubEnv } from "../env.ts";
import { BATCH_HOLD_EXTRA_MS, BATCH_LINE_MS, BATCH_TRIES_MAX } from "./limits.ts";
import { logEvent, reasonOf } from "../log.ts";
import { objectsOf } from "../objects.ts";
import { systemClock } from "../system-clock.ts";
import type { BatchLine } from "./batch-store.ts";
import type { LineRequest } from "./parse-line.ts";

/** What a line came to. */
export type LineOutcome =
  | { readonly kind: "answered"; readonly requestId: string; readonly body: unknown }
  | { readonly kind: "refused"; readonly requestId: string; readonly error: ErrorValue }
  /** Under a new id when a node had taken it: what it computed was billed under the old one. */
  | {
      readonly kind: "again";
      readonly afterMs: number;
      readonly isNewTry: boolean;
      /** Whether it ran is not known. */
      readonly isUnknown?: true;
    };

// Nothing was computed, and later it may be.
const LATER: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "rate_limit_requests",
  "rate_limit_tokens",
  "too_many_parallel_requests",
  "in_flight_budget_exhausted",
  "overloaded",
  "no_capacity",
  "draining",
  "account_unavailable",
  "storage_unavailable",
  "adapter_not_ready",
  "queue_timeout",
  "already_exists",
]);

type Work =
  | { readonly endpoint: "/v1/chat/completions"; readonly body: ChatRequest }
  | { readonly endpoint: "/v1/completions"; readonly body: CompletionRequest }
  | { readonly endpoint: "/v1/embeddings"; readonly body: EmbeddingRequest };

interface Asked {
  readonly work: Work;
  readonly wanted: Wanted | undefined;
  readonly adapter: SubmitAdapter | undefined;
}

/** Runs a line that was parsed. Never throws. */
export async function runLine(
  env: HubEnv,
  spec: BatchSpec,
  line: BatchLine & {
    readonly request: LineRequest;
    /** That earlier runs of its id may have had: each token is billed once over all of them. */
    readonly attemptsBefore: number;
  },
): Promise<LineOutcome> {
  const requestId = batchRequestId(spec.batchId, line.lineIndex, line.tryIndex);
  const refused = (error: ErrorValue, accepted = false): LineOutcome =>
    outcomeOf(requestId, error, { tryIndex: line.tryIndex, accepted });
  try {
    // 1. What is asked for.
    const parsed = parseWork(line.request);
    if (!parsed.ok) return refused(parsed.error);
    const asked = await resolve(env, spec, parsed.value);
    if (!asked.ok) return refused(asked.error);
    // 2. Admitted as any request of the key.
    const deadlineMs = Math.min(systemClock.nowMs() + BATCH_LINE_MS, spec.expiresAtMs);
    const account = objectsOf(env).account(spec.claim.tenantId);
    const input = admission(spec, asked.value, { requestId, deadlineMs });
    const admitted = await account.admit(input);
    if (!admitted.ok) return refused(admitted.error);
    // 3. To a node, behind all that is interactive.
    const grant = grantOf(input.hold, admitted.grantTokens);
    const granted = grant === null ? {} : { grant };
    const { attemptsBefore } = line;
    const ids = { requestId, deadlineMs, attemptsBefore };
    const terms = { ...hubTerms(spec, admitted.principal, ids), ...granted };
    const outcome = await submit(env, spec, { ...asked.value, terms });
    if (outcome.ok) return { kind: "answered", requestId, body: bodyOf(outcome) };
    if (!outcome.accepted) await account.release(requestId);
    return refused(outcome.error, outcome.accepted);
  } catch (error) {
    logEvent("warn", "batch_line_failed", { requestId, reason: reasonOf(error) });
    // Asked again under the same id, what it had computed is not billed again.
    return { kind: "again", afterMs: 0, isNewTry: false, isUnknown: true };
  }
}

function outcomeOf(
  requestId: string,
  error: ErrorValue,
  tried: { readonly tryIndex: number; readonly accepted: boolean },
): LineOutcome {
  const { code, retryAfterMs: afterMs = 0 } = error;
  const { tryIndex, accepted } = tried;
  const hasTries = !accepted || tryIndex + 1 < BATCH_TRIES_MAX;
  if (hasTries && (LATER.has(code) || code === "upstream_error")) {
    return { kind: "again", afterMs, isNewTry: accepted };
  }
  return { kind: "refused", requestId, error };
}

/** The line of an error file's response. */
export function errorResponse(requestId: string, error: ErrorValue) {
  const { status } = errorSpec(error.code);
  return { status_code: status, request_id: requestId, body: errorBody(error) };
}

function parseWork({ endpoint, body }: LineRequest): Result<Work, ErrorValue> {
  switch (endpoint) {
    case "/v1/chat/completions": {
      const parsed = parseChatRequest(body);
      return parsed.ok ? streamless({ endpoint, body: parsed.value }) : parsed;
    }
    case "/v1/completions": {
      const parsed = parseCompletionRequest(body);
      return parsed.ok ? streamless({ endpoint, body: parsed.value }) : parsed;
    }
    case "/v1/embeddings": {
      const parsed = parseEmbeddingRequest(body);
      return parsed.ok ? ok({ endpoint, body: parsed.value }) : parsed;
    }
  }
}

function streamless(work: Work): Result<Work, ErrorValue> {
  if (!("stream" in work.body) || work.body.stream !== true) return ok(work);
  const message = "Answers of a batch are not streamed: leave 'stream' out.";
  return err({ code: "invalid_value", message, param: "stream" });
}

async function resolve(
  env: HubEnv,
  spec: BatchSpec,
  work: Work,
): Promise<Result<Asked, ErrorValue>> {
  const { model } = work.body;
  if (model === undefined) return ok({ work, wanted: undefined, adapter: undefined });
  const name = parseModelName(model);
  if (name?.adapter === undefined) {
    if (name === undefined) return err(unknownModel());
    return ok({ work, wanted: { model }, adapter: undefined });
  }
  const { base, adapter: ref } = name;
  const { tenantId } = spec.claim;
  const wanted = { ownerTenantId: ref.owner ?? tenantId, name: ref.name, version: ref.version };
  const adapter = await resolveAdapter(openControlDb(env.CONTROL_DB), tenantId, wanted);
  if (adapter?.baseModel !== base) return err(unknownModel());
  const { adapterId: id, ownerTenantId } = adapter;
  return ok({
    work: withModel(work, base),
    wanted: { model: base, adapter: { id, ownerTenantId } },
    adapter: submitAdapterOf(adapter),
  });
}

function withModel(work: Work, model: string): Work {
  switch (work.endpoint) {
    case "/v1/chat/completions":
      return { ...work, body: { ...work.body, model } };
    case "/v1/completions":
      return { ...work, body: { ...work.body, model } };
    case "/v1/embeddings":
      return { ...work, body: { ...work.body, model } };
  }
}

interface Ids {
  readonly requestId: string;
  readonly deadlineMs: number;
}

function admission(spec: BatchSpec, { work, wanted }: Asked, ids: Ids): AdmitInput {
  const leaseUntilMs = ids.deadlineMs + BATCH_HOLD_EXTRA_MS;
  const { claim, clientIp } = spec;
  const { requestId } = ids;
  const hold = { ...holdOf(work), leaseUntilMs };
  return { ...claim, requestId, clientIp, scope: "inference", wanted, hold };
}

function holdOf(work: Work) {
  switch (work.endpoint) {
    case "/v1/chat/completions":
      return chatHold(work.body);
    case "/v1/completions":
      return completionHold(work.body);
    case "/v1/embeddings":
      return embeddingHold(work.body);
  }
}

function hubTerms(
  spec: BatchSpec,
  principal: Principal,
  { requestId, deadlineMs, attemptsBefore }: Ids & { readonly attemptsBefore: number },
): Omit<HubRequest, "body" | "adapter"> {
  return {
    requestId,
    tenantId: principal.tenantId,
    projectId: principal.projectId,
    keyId: principal.keyId,
    tenantSalt: principal.tenantSalt,
    weight: principal.weight,
    tier: "batch",
    priceVersion: principal.priceVersion,
    createdMs: spec.createdAtMs,
    deadlineMs,
    attemptsBefore,
  };
}

function submit(
  env: HubEnv,
  spec: BatchSpec,
  request: Asked & { readonly terms: Omit<HubRequest, "body" | "adapter"> },
): Promise<CompleteOutcome | EmbedOutcome> {
  const { work, adapter } = request;
  const terms = { ...request.terms, ...(adapter === undefined ? {} : { adapter }) };
  const shard = shardOf(terms.requestId, hubConfig(env).shardCount);
  const hub = objectsOf(env).shard(spec.region, shard);
  switch (work.endpoint) {
    case "/v1/chat/completions":
      return hub.complete({ ...terms, body: work.body });
    case "/v1/completions":
      return hub.complete({ ...terms, endpoint: "completions", body: work.body });
    case "/v1/embeddings":
      return hub.embed({ ...terms, endpoint: "embeddings", body: work.body });
  }
}

function bodyOf(outcome: Extract<CompleteOutcome | EmbedOutcome, { readonly ok: true }>): unknown {
  return "list" in outcome ? outcome.list : outcome.completion;
}

function unknownModel(): ErrorValue {
  const message = "The model does not exist or you do not have access to it.";
  return { code: "model_not_found", message, param: "model" };
}
