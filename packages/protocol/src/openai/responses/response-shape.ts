// Owns the shape of answers in the Responses API.
import type { EventShape, WholeAnswer } from "../answer-shape.ts";
import type { ChatHead } from "../chat-response.ts";
import { outputItems } from "./output-items.ts";
import { responseBody, statusOf, type ResponseEcho } from "./response-body.ts";
import { ResponseEvents } from "./response-events.ts";

/** @param echo what the answer repeats of its request */
export function responseShape(echo: ResponseEcho): EventShape {
  return {
    events: (head) => new ResponseEvents(head, echo),
    whole(head: ChatHead, { choices, counts }: WholeAnswer) {
      const [answer = { text: "", finishReason: "stop" } as const] = choices;
      const { finishReason, reasoningTokens } = answer;
      const output = outputItems(head.requestId, answer);
      const status = statusOf(finishReason);
      return responseBody(head, echo, { status, output, counts, reasoningTokens });
    },
  };
}
