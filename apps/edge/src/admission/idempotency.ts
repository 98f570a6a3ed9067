// Owns Idempotency-Key on routes that compute: the first request with a key computes and its answer is kept for a day;
// a later one with the same key and body gets that answer, one that comes while it runs waits for it (a stream is told
// to come again), one with another body is refused. The claim itself is made by the account, within the admission.
// Invariant: an answer that is kept was whole; a request that failed leaves no trace of its key.
import { hashFields, toHex } from "@fairlane/base";
import { RetainedStore } from "@fairlane/db";
import {
  AppError,
  protocolLimits,
  type IdempotencyState,
  type Principal,
} from "@fairlane/protocol";
import { accountOf, type EdgeContext, type EdgeDependencies } from "../edge-context.ts";
import { logFailure } from "../errors/log-failure.ts";
import { readBytes } from "../http/read-json.ts";
import {
  IDEMPOTENCY_KEY_CHARS_MAX,
  IDEMPOTENCY_TRIES_MAX,
  IDEMPOTENCY_TTL_MS,
  IDEMPOTENCY_WAIT_MS,
  REQUEST_DEADLINE_MS,
  RETRY_AFTER_MS,
} from "../limits.ts";
import { IdempotentHit, type ClaimedKey } from "./idempotent-hit.ts";

type Handler = (context: EdgeContext) => Response | Promise<Response>;

const VISIBLE_ASCII = /^[\x21-\x7e]+$/;
/** A stream is whole when it ends as its API has it: OpenAI's chats and completions, Responses, Messages. */
const WHOLE_STREAM =
  /^(?:data: \[DONE\]|event: response\.(?:completed|incomplete)|event: message_stop)$/m;

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
    return await keep(context, deps, response);
  } catch (error) {
    if (error instanceof IdempotentHit)
      return replayOf(context, deps, { hit: error, body: work.body });
    const claimed = context.get("idempotency");
    if (claimed?.principal) settleClaim(context, deps, { claimed, text: null });
    throw error;
  }
}

/** Hands the answer on and keeps a copy; of a stream the runtime makes it without a look at single tokens. */
async function keep(
  context: EdgeContext,
  deps: EdgeDependencies,
  response: Response,
): Promise<Response> {
  const claimed = context.get("idempotency");
  if (!claimed?.principal) return response;
  if (!response.ok || response.body === null) {
    settleClaim(context, deps, { claimed, text: null });
    return response;
  }
  const type = response.headers.get("content-type") ?? "application/json";
  if (!type.startsWith("text/event-stream")) {
    const body = await response.text();
    settleClaim(context, deps, { claimed, text: Promise.resolve(keptText(type, body)) });
    return new Response(body, response);
  }
  const [toClient, toKeep] = response.body.tee();
  const text = readText(toKeep).then((body) =>
    WHOLE_STREAM.test(body) ? keptText(type, body) : null,
  );
  settleClaim(context, deps, { claimed, text });
  return new Response(toClient, response);
}

/**
 * The text of a branch, read chunk by chunk: a read of the whole of it at once holds the other branch, the client's, back
 * until the end.
 */
async function readText(branch: ReadableStream<unknown>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  // Bytes, as of any response.
  for await (const chunk of branch) text += decoder.decode(chunk as Uint8Array, { stream: true });
  return text + decoder.decode();
}

function keptText(type: string, body: string): string {
  return JSON.stringify({ type, body });
}

/** Keeps an answer and says so to the account, or lets go of the key when there is none. */
function settleClaim(
  context: EdgeContext,
  deps: EdgeDependencies,
  end: { readonly claimed: ClaimedKey; readonly text: Promise<string | null> | null },
): void {
  const requestId = context.get("requestId");
  const { keyHash, principal } = end.claimed;
  if (principal === null) return;
  const ref = { projectId: principal.projectId, keyHash, requestId };
  const settle = async () => {
    const account = accountOf(deps, principal.tenantId);
    try {
      const text = await end.text?.catch(() => null);
      if (text === null || text === undefined) return await account.forgetIdempotent(ref);
      const life = { nowMs: deps.clock.nowMs(), ttlMs: IDEMPOTENCY_TTL_MS };
      // One that is too large is not replayed, but not computed again either.
      await storeOf(deps, principal).put({ kind: "replay", id: requestId }, text, life);
      await account.finishIdempotent(ref);
    } catch (error) {
      logFailure("idempotency_not_kept", requestId, error);
    }
  };
  context.executionCtx.waitUntil(settle());
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
    throw inProgress(`Request ${requestId} with this Idempotency-Key still runs.`);
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
  const kept = await storeOf(deps, principal).get(object, deps.clock.nowMs());
  if (kept === undefined) {
    const message = `The answer to request ${requestId}, which had this Idempotency-Key, was too large to be kept.`;
    throw new AppError("idempotency_result_lost", message);
  }
  // Written by `keptText` above.
  const { type, body } = JSON.parse(kept) as { readonly type: string; readonly body: string };
  const headers = {
    "content-type": type,
    "idempotent-replayed": "true",
    "x-fairlane-replayed-request-id": requestId,
  };
  return new Response(body, { headers });
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

function storeOf(deps: EdgeDependencies, principal: Principal): RetainedStore {
  return new RetainedStore({
    bucket: deps.config.retained,
    tenantId: principal.tenantId,
    key: principal.retainedKey,
    random: deps.random,
  });
}
