// POST /v1/responses: E0, by the same stages as a chat. What came before it is read from the store once the caller is
// known; admission is asked with the bound that was stored beside it.
import { err, ok, type Result } from "@fairlane/base";
import {
  AppError,
  chatHold,
  inputItems,
  itemTokensMax,
  parseResponseRequest,
  protocolLimits,
  responseChat,
  responseEcho,
  responseIdOf,
  shardOf,
  storedNames,
  type ApiKeyClaim,
  type ErrorValue,
  type InputItem,
  type Principal,
  type ResponseRequest,
  type StoredInput,
} from "@fairlane/protocol";
import { resolveModel, type AskedModel } from "../adapters/resolve-model.ts";
import { admit } from "../admission/admit.ts";
import { releaseHoldIf } from "../admission/release-hold.ts";
import { authenticate } from "../auth/authenticate.ts";
import { hubShard, type EdgeContext, type EdgeDependencies } from "../edge-context.ts";
import { HOLD_LEASE_EXTRA_MS, REQUEST_DEADLINE_MS } from "../limits.ts";
import { relayCompletion, relayStream } from "../stream/relay.ts";
import { hubTerms } from "./hub-terms.ts";
import { readJson } from "./read-json.ts";
import { nameResponseFields } from "./response-fields.ts";
import { fromStore, retainedOf } from "./retained-of.ts";
import { noSuchPrevious, responseConversation } from "./response-conversation.ts";
import { storedTokensMax } from "./stored-response.ts";

export function createResponseRoute(deps: EdgeDependencies) {
  return async (context: EdgeContext): Promise<Response> => {
    // E1. Authenticate.
    const claim = await authenticate(context.req.raw.headers, deps.config.keyPepper);

    // E2. Admit; a request with mistakes without a hold.
    const asked = await resolveModel(deps, claim, await readRequest(context.req.raw));
    const bounded = await withHold(context, deps, { claim, asked });
    const deadlineMs = context.get("startedMs") + REQUEST_DEADLINE_MS;
    const leaseUntilMs = deadlineMs + HOLD_LEASE_EXTRA_MS;
    const hold = bounded.ok ? { ...bounded.value, leaseUntilMs } : null;
    const wanted = asked.ok ? asked.value.wanted : undefined;
    const principal = await admit(context, deps, { claim, scope: "inference", hold, wanted });
    if (!asked.ok) throw AppError.of(asked.error);
    if (!bounded.ok) throw AppError.of(bounded.error);

    // E3. Look up: the conversation so far.
    const { body: request, adapterTerm } = asked.value;
    const prepared = await responseConversation(context, deps, { principal, request }).catch(
      (error: unknown) => {
        // Nothing was submitted.
        const { tenantId } = principal;
        releaseHoldIf(context, deps, { tenantId, isRefused: Promise.resolve(true) });
        throw error;
      },
    );

    // E4. Route.
    const isStored = request.store ?? true;
    const answer = { kind: "response", echo: responseEcho(request), retain: isStored } as const;
    const terms = hubTerms(context, principal, deadlineMs);
    const work = { ...terms, ...adapterTerm, body: prepared.chat, answer };
    const hub = hubShard(deps, shardOf(work.requestId, deps.config.hubShardCount));

    // E5. Answer.
    const relay = request.stream === true ? relayStream : relayCompletion;
    const relayed = nameResponseFields(relay({ hub, request: work }));
    if (!isStored) return relayed;
    return keepInput(context, deps, { principal, relayed, earlier: prepared.earlier, request });
  };
}

async function readRequest(request: Request): Promise<Result<ResponseRequest, ErrorValue>> {
  const body = await readJson(request, protocolLimits.BODY_BYTES_MAX);
  return body.ok ? parseResponseRequest(body.value) : body;
}

/** The bound of what the request and what came before it may take. */
async function withHold(
  context: EdgeContext,
  deps: EdgeDependencies,
  known: {
    readonly claim: ApiKeyClaim;
    readonly asked: Result<AskedModel<ResponseRequest>, ErrorValue>;
  },
): Promise<Result<ReturnType<typeof chatHold>, ErrorValue>> {
  const { claim, asked: named } = known;
  if (!named.ok) return named;
  const request = named.value.body;
  const chat = responseChat(request);
  if (!chat.ok) return chat;
  const hold = chatHold(chat.value);
  const id = request.previous_response_id ?? undefined;
  if (id === undefined) return ok(hold);
  const { tenantId } = claim;
  const ofEarlier = await storedTokensMax(context, deps, { tenantId, id });
  if (ofEarlier === undefined) return err(noSuchPrevious());
  return ok({ ...hold, promptTokensMax: hold.promptTokensMax + ofEarlier });
}

/** Keeps the input while the hub works; the answer waits for it, so that what was answered can be read again. */
async function keepInput(
  context: EdgeContext,
  deps: EdgeDependencies,
  kept: {
    readonly principal: Principal;
    readonly relayed: Promise<Response>;
    readonly request: ResponseRequest;
    readonly earlier: readonly InputItem[];
  },
): Promise<Response> {
  const { principal, earlier, request } = kept;
  const store = retainedOf(deps, principal);
  const id = storedNames(responseIdOf(context.get("requestId"))).input;
  const input = inputItems(request);
  const stored: StoredInput = { projectId: principal.projectId, input, earlier };
  const life = {
    nowMs: deps.clock.nowMs(),
    ttlMs: protocolLimits.RESPONSE_KEPT_MS,
    tokensMax: itemTokensMax([...earlier, ...input]),
  };
  const ref = { kind: "response", id } as const;
  const keeping = fromStore(context, store.put(ref, JSON.stringify(stored), life));
  // Whichever fails, the other has settled when it is told.
  const [relayed, isKept] = await Promise.allSettled([kept.relayed, keeping]);
  const isAnswered = relayed.status === "fulfilled" && relayed.value.ok;
  // Nothing was answered, so nothing is kept.
  if (!isAnswered) context.executionCtx.waitUntil(store.delete(ref).catch(() => {}));
  if (relayed.status === "rejected") throw relayed.reason;
  if (isKept.status === "fulfilled") return relayed.value;
  // Cancels the work at the node.
  await relayed.value.body?.cancel();
  throw isKept.reason;
}
