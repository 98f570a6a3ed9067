// Owns Idempotency-Key on routes that compute: the first request with a key computes and its answer is kept for a day;
// a later one with the same key and body gets that answer, one that comes while it runs waits for it or takes its stream
// over from the beginning, one with another body is refused. The claim itself is made by the account, within the
// admission. Invariant: of requests with one key and body one computes, unless that failed.
import { hashFields, toHex } from "@fairlane/base";
import { AppError, protocolLimits, type IdempotencyState } from "@fairlane/protocol";
import { accountOf, type EdgeContext, type EdgeDependencies } from "../edge-context.ts";
import { readBytes } from "../http/read-json.ts";
import {
  IDEMPOTENCY_KEY_CHARS_MAX,
  IDEMPOTENCY_TRIES_MAX,
  IDEMPOTENCY_WAIT_MS,
  REQUEST_DEADLINE_MS,
  RETRY_AFTER_MS,
} from "../limits.ts";
import { attachStream } from "../stream/attach-stream.ts";
import { IdempotentHit } from "./idempotent-hit.ts";
import {
  forgetClaim,
  keepAnswer,
  keptResponse,
  replayHeaders,
  retainedStore,
  type Claim,
} from "./keep-answer.ts";

type Handler = (context: EdgeContext) => Response | Promise<Response>;

const VISIBLE_ASCII = /^[\x21-\x7e]+$/;
/** Streams that can be taken over: all that these answer is in their events. */
const ATTACHABLE_PATHS: ReadonlySet<string> = new Set(["/v1/chat/completions", "/v1/completions"]);

/** A handler whose answers are kept under the client's key, when it sends one. */
export function idempotent(deps: EdgeDependencies, handler: Handler): Handler {
  return async (context) => {
    const key = context.req.raw.headers.get("idempotency-key");
    if (key === null) return handler(context);
    if (key.length > IDEMPOTENCY_KEY_CHARS_MAX || !VISIBLE_ASCII.test(key)) {
      const message = `Invalid Idempotency-Key: expected 1 to ${IDEMPOTENCY_KEY_CHARS_MAX} visible ASCII characters.`;
      throw new AppError("invalid_value", message, { param: "Idempotency-Key" });
    }
    const request = context.req.raw;
    const bytes = await readBytes(request, protocolLimits.BODY_BYTES_MAX);
    if (!bytes.ok) throw AppError.of(bytes.error);
    const { pathname } = new URL(request.url);
    const keyHash = toHex(await hashFields("fairlane-idempotency-key-v1", [key]));
    const bodyHash = toHex(
      await hashFields("fairlane-idempotency-body-v1", [pathname, bytes.value]),
    );
    for (let tries = 0; tries < IDEMPOTENCY_TRIES_MAX; tries++) {
      const { url, headers } = request;
      context.req.raw = new Request(url, { method: "POST", headers, body: bytes.value });
      context.set("idempotency", { keyHash, bodyHash, principal: null });
      const answer = await computeOrReplay(context, deps, { handler, body: bytes.value });
      if (answer) return answer;
    }
    throw inProgress("The request with this Idempotency-Key fails again and again.");
  };
}

/** The answer; undefined when the request that was waited for has failed, so that this one may compute. */
async function computeOrReplay(
  context: EdgeContext,
  deps: EdgeDependencies,
  work: { readonly handler: Handler; readonly body: Uint8Array },
): Promise<Response | undefined> {
  try {
    const response = await work.handler(context);
    const claim = claimOf(context);
    return claim ? await keepAnswer(context, deps, { claim, response }) : response;
  } catch (error) {
    if (error instanceof IdempotentHit)
      return replayOf(context, deps, { hit: error, body: work.body });
    const claim = claimOf(context);
    if (claim) forgetClaim(context, deps, claim);
    throw error;
  }
}

/** The claim that this request's admission made, if it did. */
function claimOf(context: EdgeContext): Claim | undefined {
  const claimed = context.get("idempotency");
  if (!claimed?.principal) return undefined;
  const { keyHash, principal } = claimed;
  return { keyHash, principal, requestId: context.get("requestId") };
}

async function replayOf(
  context: EdgeContext,
  deps: EdgeDependencies,
  asked: { readonly hit: IdempotentHit; readonly body: Uint8Array },
): Promise<Response | undefined> {
  const { principal, requestId, keyHash } = asked.hit;
  const ref = { projectId: principal.projectId, keyHash, requestId };
  let state: IdempotencyState = asked.hit.state;
  if (state === "running" && wantsStream(asked.body)) {
    return attachRunning(context, deps, { principal, requestId, keyHash });
  }
  const account = accountOf(deps, principal.tenantId);
  while (state === "running") {
    if (deps.clock.nowMs() >= context.get("startedMs") + REQUEST_DEADLINE_MS) {
      throw inProgress(`Request ${requestId} with this Idempotency-Key still runs.`);
    }
    state = await account.awaitIdempotent(ref, IDEMPOTENCY_WAIT_MS);
  }
  if (state === "forgotten") return undefined;
  const object = { kind: "replay", id: requestId } as const;
  const kept = await retainedStore(deps, principal).get(object, deps.clock.nowMs());
  if (kept === undefined) {
    const message = `The answer to request ${requestId}, which had this Idempotency-Key, was too large to be kept.`;
    throw new AppError("idempotency_result_lost", message);
  }
  return keptResponse(kept, requestId);
}

/** The stream of a request that runs, from its beginning; who read it before loses it. It is kept from here. */
async function attachRunning(
  context: EdgeContext,
  deps: EdgeDependencies,
  claim: Claim,
): Promise<Response> {
  const { principal, requestId } = claim;
  const { tenantId, keyId } = principal;
  const stillRuns = inProgress(`Request ${requestId} with this Idempotency-Key still runs.`);
  if (!ATTACHABLE_PATHS.has(new URL(context.req.raw.url).pathname)) throw stillRuns;
  const wanted = { requestId, tenantId, keyId, lastTokenIndex: -1 };
  const answer = await attachStream(context, deps, wanted);
  if (!answer.ok) {
    // It waits for a node, or its end is being written down.
    await answer.body?.cancel();
    throw stillRuns;
  }
  const headers = new Headers(answer.headers);
  for (const [name, value] of Object.entries(replayHeaders(requestId))) headers.set(name, value);
  const response = new Response(answer.body, { status: answer.status, headers });
  return keepAnswer(context, deps, { claim, response });
}

function inProgress(message: string): AppError {
  return new AppError("idempotency_in_progress", message, { retryAfterMs: RETRY_AFTER_MS });
}

function wantsStream(body: Uint8Array): boolean {
  try {
    const parsed = JSON.parse(new TextDecoder().decode(body)) as { readonly stream?: unknown };
    return parsed.stream === true;
  } catch {
    return false;
  }
}
