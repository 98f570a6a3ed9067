// Owns N0 of a stand-alone node: POST /v1/chat/completions as a numbered list, shared with the link from step 3 on.
// Stand-alone requests are not billed: they belong to no tenant of the edge and do not enter the usage journal.
import type { Clock, Random } from "@fairlane/base";
import {
  AppError,
  CHAT_SHAPE,
  choiceCounts,
  parseChatRequest,
  type AnswerFields,
  type AnswerShape,
  type ErrorValue,
} from "@fairlane/protocol";
import type { AdapterLibrary } from "../adapters/adapter-library.ts";
import type { EngineRequest } from "../engine/worker-messages.ts";
import { prepareRequest, type RequestTerms, type ServedModel } from "../request/prepare-request.ts";
import { answerStreams } from "../stream/answer-streams.ts";
import type { LiveStreams } from "../stream/live-streams.ts";
import type { AnswerSink } from "../stream/token-stream.ts";
import type { Exchange } from "./exchange.ts";
import { JsonSink } from "./json-sink.ts";
import { REQUEST_LIFE_MS } from "./limits.ts";
import type { JsonBodyReader } from "./read-json-body.ts";
import { SseSink } from "./sse-sink.ts";

/** The tenant of all stand-alone requests; ids of the edge's tenants begin with "ten_". */
const LOCAL_TENANT = "local";
/** All who come in by this door are one tenant: they share the prefix cache. */
const LOCAL_SALT = "local";

export interface ChatParts {
  readonly bodies: JsonBodyReader;
  readonly streams: LiveStreams;
  readonly submitToEngine: (requests: readonly EngineRequest[]) => void;
  readonly clock: Clock;
  readonly random: Random;
  /** Null until the model is open; then `refusal` says why nothing is taken. */
  readonly model: () => ServedModel | null;
  readonly refusal: () => ErrorValue | null;
  /** Null until the model is open. */
  readonly adapters: () => Pick<AdapterLibrary, "find"> | null;
  /** Only tests give one. */
  readonly keepAliveMs?: number;
}

/** Serves one request; throws AppError for what is refused before the engine has it. */
export async function chatCompletions(exchange: Exchange, parts: ChatParts): Promise<void> {
  const receivedAtMs = parts.clock.nowMs();
  // 1. does the node take work?
  const model = servedModel(parts);
  // 2. the body
  const body = valueOrThrow(parseChatRequest(await parts.bodies.read(exchange.request)));
  // 3. template, tokens, context
  const terms = localTerms(exchange.requestId, { receivedAtMs, model: body.model }, parts);
  const request = valueOrThrow(await prepareRequest({ body, terms }, { ...parts, model }));
  // 4. room among the live requests; things may have changed while the prompt was tokenised
  servedModel(parts);
  const { promptTokens } = request;
  const refusal = parts.streams.refusalOf({
    tenantId: LOCAL_TENANT,
    promptTokens: promptTokens.length,
    choices: 1 + (request.forks?.length ?? 0),
  });
  if (refusal) throw AppError.of(refusal);
  if (exchange.response.destroyed) return;
  // 5. the answer
  const choiceCount = choiceCounts(body).given;
  const sink = sinkOf(
    {
      exchange,
      fields: body,
      shape: CHAT_SHAPE,
      choiceCount,
      terms,
      model: body.model ?? model.id,
    },
    parts,
  );
  parts.streams.add(...answerStreams({ request, body, model, sink }));
  exchange.response.once("close", () => parts.streams.cancel([request.requestId]));
  parts.submitToEngine([request]);
}

/** Under which terms a request that came in by this door is served: with the adapter that its model names. */
export function localTerms(
  requestId: string,
  asked: { readonly receivedAtMs: number; readonly model: string | undefined },
  { adapters }: Pick<ChatParts, "adapters">,
): RequestTerms {
  const { receivedAtMs, model } = asked;
  const adapter = model === undefined ? undefined : adapters()?.find(model);
  return {
    requestId,
    tenantId: LOCAL_TENANT,
    tenantSalt: LOCAL_SALT,
    weight: 1,
    tier: "interactive",
    ...(adapter && { adapter: { digest: adapter.digest } }),
    receivedAtMs,
    deadlineMs: receivedAtMs + REQUEST_LIFE_MS,
  };
}

/** The model, or why nothing is taken. */
export function servedModel(parts: ChatParts): ServedModel {
  const refusal = parts.refusal();
  if (refusal) throw AppError.of(refusal);
  const model = parts.model();
  if (!model) throw new AppError("overloaded", "The model is not loaded yet.");
  return model;
}

/** Where an answer goes: an event stream, or one JSON body. */
export function sinkOf(
  input: {
    readonly exchange: Exchange;
    readonly fields: AnswerFields;
    readonly shape: AnswerShape;
    readonly choiceCount: number;
    readonly terms: RequestTerms;
    readonly model: string;
  },
  parts: ChatParts,
): AnswerSink {
  const { exchange, fields, shape, choiceCount, terms, model } = input;
  const { requestId, receivedAtMs } = terms;
  const head = { requestId, model, createdSeconds: Math.floor(receivedAtMs / 1_000) };
  if (fields.stream !== true) return new JsonSink(exchange, { shape, head, choiceCount });
  return new SseSink({
    exchange,
    shape,
    head,
    choiceCount,
    includeUsage: fields.stream_options?.include_usage === true,
    tooSlow: () => parts.streams.cancel([requestId]),
    ...(parts.keepAliveMs === undefined ? {} : { keepAliveMs: parts.keepAliveMs }),
  });
}

/** The value of a result, or its error as an AppError. */
export function valueOrThrow<T>(
  result:
    { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: ErrorValue },
): T {
  if (result.ok) return result.value;
  throw AppError.of(result.error);
}
