// Owns N0 of a stand-alone node for POST /v1/embeddings, as a numbered list. Like chats they are not billed here.
import { AppError, parseEmbeddingRequest } from "@fairlane/protocol";
import { prepareEmbeddings } from "../request/prepare-embeddings.ts";
import { embeddingStreams } from "../stream/embedding-streams.ts";
import { localTerms, servedModel, valueOrThrow, type ChatParts } from "./chat-completions.ts";
import { EmbeddingSink } from "./embedding-sink.ts";
import type { Exchange } from "./exchange.ts";

/** Serves one request; throws AppError for what is refused before the engine has it. */
export async function embeddings(exchange: Exchange, parts: ChatParts): Promise<void> {
  const receivedAtMs = parts.clock.nowMs();
  // 1. does the node take work?
  const model = servedModel(parts);
  // 2. the body
  const body = valueOrThrow(parseEmbeddingRequest(await parts.bodies.read(exchange.request)));
  // 3. tokens, context
  const terms = localTerms(exchange.requestId, { receivedAtMs, model: body.model }, parts);
  const requests = valueOrThrow(await prepareEmbeddings({ body, terms }, model));
  // 4. room among the live requests; things may have changed while the inputs were tokenised
  servedModel(parts);
  const promptTokens = Math.max(...requests.map((request) => request.promptTokens.length));
  const { tenantId } = terms;
  const refusal = parts.streams.refusalOf({ tenantId, promptTokens, choices: requests.length });
  if (refusal) throw AppError.of(refusal);
  if (exchange.response.destroyed) return;
  // 5. the answer
  const isBase64 = body.encoding_format === "base64";
  const sink = new EmbeddingSink(exchange, { model: body.model ?? model.id, isBase64 });
  parts.streams.add(...embeddingStreams(exchange.requestId, requests, sink));
  exchange.response.once("close", () => parts.streams.cancel([exchange.requestId]));
  parts.submitToEngine(requests);
}
