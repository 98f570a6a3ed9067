// Owns what a response answers: the conversation stored before it, which is its project's alone, and its own input, as
// the chat that a node computes.
import {
  AppError,
  conversationOf,
  protocolLimits,
  responseChat,
  type ChatRequest,
  type ErrorValue,
  type InputItem,
  type Principal,
  type ResponseRequest,
} from "@fairlane/protocol";
import type { EdgeContext, EdgeDependencies } from "../edge-context.ts";
import { storedResponse } from "./stored-response.ts";

/** The chat of a request and the items before it; throws AppError for an unknown response or a chat too long. */
export async function responseConversation(
  context: EdgeContext,
  deps: EdgeDependencies,
  asking: { readonly principal: Principal; readonly request: ResponseRequest },
): Promise<{ readonly chat: ChatRequest; readonly earlier: readonly InputItem[] }> {
  const { principal, request } = asking;
  const id = request.previous_response_id ?? undefined;
  const stored =
    id === undefined ? undefined : await storedResponse(context, deps, { principal, id });
  if (id !== undefined && stored === undefined) throw AppError.of(noSuchPrevious());
  const earlier = stored === undefined ? [] : conversationOf(stored.input, stored.answer);
  const chat = responseChat(request, earlier);
  if (!chat.ok) throw AppError.of(chat.error);
  const chars = JSON.stringify(chat.value).length;
  if (chars <= protocolLimits.BODY_BYTES_MAX) return { chat: chat.value, earlier };
  const message = `The conversation has ${chars} characters, at most ${protocolLimits.BODY_BYTES_MAX} are taken.`;
  throw new AppError("request_too_large", message, { param: "previous_response_id" });
}

/** The one refusal of a response that is not there and one that is another project's. */
export function noSuchPrevious(): ErrorValue {
  const message = "Previous response not found: it was not stored, or it is not this project's.";
  return { code: "previous_response_not_found", message, param: "previous_response_id" };
}
