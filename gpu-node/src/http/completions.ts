// Owns N0 of a stand-alone node for POST /v1/completions, as a numbered list. Like chats they are not billed here.
import {
  AppError,
  completionChoices,
  parseCompletionRequest,
  textCompletionShape,
} from "@fairlane/protocol";
import { prepareCompletions } from "../request/prepare-completions.ts";
import { completionStreams } from "../stream/answer-streams.ts";
import {
  localTerms,
  servedModel,
  sinkOf,
  valueOrThrow,
  type ChatParts,
} from "./chat-completions.ts";
import type { Exchange } from "./exchange.ts";

/** Serves one request; throws AppError for what is refused before the engine has it. */
export async function completions(exchange: Exchange, parts: ChatParts): Promise<void> {
  const { requestId } = exchange;
  const receivedAtMs = parts.clock.nowMs();
  // 1. does the node take work?
  const model = servedModel(parts);
  // 2. the body
  const body = valueOrThrow(parseCompletionRequest(await parts.bodies.read(exchange.request)));
  // 3. tokens, context
  const terms = localTerms(requestId, { receivedAtMs, model: body.model }, parts);
  const requests = valueOrThrow(await prepareCompletions({ body, terms }, { ...parts, model }));
  // 4. room among the live requests; things may have changed while the prompts were tokenised
  servedModel(parts);
  const promptTokens = Math.max(...requests.map((request) => request.promptTokens.length));
  const choices = requests.reduce((sum, { forks = [] }) => sum + 1 + forks.length, 0);
  const refusal = parts.streams.refusalOf({ tenantId: terms.tenantId, promptTokens, choices });
  if (refusal) throw AppError.of(refusal);
  if (exchange.response.destroyed) return;
  // 5. the answer
  const choiceCount = completionChoices(body);
  const shape = textCompletionShape();
  const sink = sinkOf(
    { exchange, fields: body, shape, choiceCount, terms, model: body.model ?? model.id },
    parts,
  );
  parts.streams.add(...completionStreams({ requests, body, model, sink }));
  exchange.response.once("close", () => parts.streams.cancel([requestId]));
  parts.submitToEngine(requests);
}
